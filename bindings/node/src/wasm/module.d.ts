/** The WebAssembly module in base64; written by `build.mjs`. */
export const module: string;
