// R2 and KV as their documents describe them, in memory, with faults on demand.

export class Bucket {
  objects = new Map();
  #puts = 0;

  async get(key) {
    await null;
    if (this.failGet) throw new Error('network');
    const found = this.objects.get(key);
    return found ? { etag: found.etag, arrayBuffer: async () => Uint8Array.from(found.body).buffer } : null;
  }

  async put(key, value, { onlyIf } = {}) {
    await null;
    if (this.failPut) {
      this.failPut = false;
      throw new Error('network');
    }
    const etag = this.objects.get(key)?.etag;
    if (onlyIf?.etagMatches !== undefined && onlyIf.etagMatches !== etag) return null;
    if (onlyIf?.etagDoesNotMatch === '*' && etag !== undefined) return null;
    const body = typeof value === 'string' ? Buffer.from(value) : Uint8Array.from(new Uint8Array(value.buffer ?? value, value.byteOffset ?? 0, value.byteLength));
    this.objects.set(key, { etag: `e${++this.#puts}`, body });
    if (this.loseAnswer) {
      this.loseAnswer = false;
      throw new Error('network');
    }
    return { etag: `e${this.#puts}` };
  }
}

export class Namespace {
  #values = new Map();

  async get(key) {
    return this.#values.has(key) ? Uint8Array.from(this.#values.get(key)).buffer : null;
  }

  async put(key, value, options) {
    if (options?.expirationTtl !== undefined && options.expirationTtl < 60) throw new Error('400: at least 60 seconds');
    this.#values.set(key, typeof value === 'string' ? Buffer.from(value) : Uint8Array.from(value));
  }

  async delete(key) {
    this.#values.delete(key);
  }

  async list({ prefix, cursor }) {
    const names = [...this.#values.keys()].filter((name) => name.startsWith(prefix)).sort();
    const from = Number(cursor ?? 0);
    return { keys: names.slice(from, from + 2).map((name) => ({ name })), list_complete: from + 2 >= names.length, cursor: String(from + 2) };
  }
}
