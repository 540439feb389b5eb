// Loaded once by a spare, as the function will be.
exports.handler = async () => ({});
