declare module 'cloudflare:workers' {
  export const env: unknown;
}

declare module '*.wasm' {
  const module: unknown;
  export default module;
}
