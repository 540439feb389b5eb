// Renders a text as a QR code: SVG for people, a matrix of modules for programs.
// `qrcode` is a real npm package with dependencies of its own; `build.sh` installs it beside this file.
import QRCode from "qrcode";

export const handler = async (event) => {
  if (typeof event.text !== "string" || event.text === "") {
    throw new TypeError('the event needs a member "text" that is a non-empty string');
  }
  const code = QRCode.create(event.text, { errorCorrectionLevel: event.level ?? "M" });
  return {
    size: code.modules.size,
    modules: Buffer.from(code.modules.data).toString("base64"),
    svg: await QRCode.toString(event.text, { type: "svg", errorCorrectionLevel: event.level ?? "M" }),
  };
};
