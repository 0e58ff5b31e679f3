// What the page checks, for browsers to be asked about it without a page around it.
export * from "../../../daemon/web/src/call/certificate";
export * from "../../../daemon/web/src/call/signing";
export { mediaText } from "../../../daemon/web/src/wire/texts";
export { Identity } from "../../../daemon/web/src/identity";
export { memoryStore } from "../../../daemon/web/src/storage";
