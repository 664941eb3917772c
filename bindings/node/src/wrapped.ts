// The key of a store that a browser keeps: wrapped by a key that no script can read, but every script of the origin can use.

/** What is kept beside the records. */
interface Wrapped {
  /** Of AES-GCM, not extractable. */
  wrapping: CryptoKey;
  iv: Uint8Array<ArrayBuffer>;
  sealed: Uint8Array<ArrayBuffer>;
}

function algorithm(location: string, iv: Uint8Array<ArrayBuffer>): AesGcmParams {
  return { name: 'AES-GCM', iv, additionalData: new TextEncoder().encode(`agentmesh store key 1 ${location}`) };
}

/** A fresh key. */
export async function freshKey(location: string): Promise<Wrapped> {
  const wrapping = await crypto.subtle.generateKey({ name: 'AES-GCM', length: 256 }, false, ['encrypt', 'decrypt']);
  const iv = crypto.getRandomValues(new Uint8Array(12));
  const key = crypto.getRandomValues(new Uint8Array(32));
  try {
    const sealed = new Uint8Array(await crypto.subtle.encrypt(algorithm(location, iv), wrapping, key));
    return { wrapping, iv, sealed };
  } finally {
    key.fill(0);
  }
}

/** The key that is kept; `undefined` if what is kept is none. */
export async function keptKey(location: string, kept: unknown): Promise<Uint8Array | undefined> {
  const { wrapping, iv, sealed } = (typeof kept === 'object' && kept !== null ? kept : {}) as Partial<Wrapped>;
  if (!(wrapping instanceof CryptoKey && iv instanceof Uint8Array && sealed instanceof Uint8Array)) return undefined;
  try {
    const key = new Uint8Array(await crypto.subtle.decrypt(algorithm(location, iv), wrapping, sealed));
    return key.length === 32 ? key : undefined;
  } catch {
    return undefined;
  }
}
