// Loaded once by a spare, as the function will be.
export const handler = async () => ({});
