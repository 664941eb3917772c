// The bucket: `users/{user}/skills/{name}`, `users/{user}/conversations/{id}.json`, `users/{user}/settings/{name}.json`. Skills of the
// other layout that is in use, `…/skills/{name}/SKILL.md`, are read, and replaced when they are written.

import { Refusal } from './answers';
import { isName } from './names';

export const LIMITS = { skill: 1 << 20, conversation: 10 << 20, settings: 256 << 10, skills: 1000 };

export interface Listed {
  name: string;
  size: number;
  uploaded: Date;
}

export interface Stored {
  text: string;
  metadata: Record<string, string>;
  uploaded: string;
}

const skillKey = (user: string, skill: string): string => `users/${user}/skills/${skill}`;
const nested = (key: string): string => `${key}/SKILL.md`;
export const conversationKey = (user: string, id: string): string => `users/${user}/conversations/${id}.json`;
export const settingsKey = (user: string, which: string): string => `users/${user}/settings/${which}.json`;

/** A user's part of the bucket. That the bucket cannot be reached is told as that, and no more. */
export class Store {
  constructor(
    private readonly bucket: R2Bucket,
    private readonly user: string,
  ) {}

  async putSkill(skill: string, content: string): Promise<string> {
    const bytes = new TextEncoder().encode(content);
    if (bytes.length > LIMITS.skill) throw Refusal.tooLarge();
    const key = skillKey(this.user, skill);
    // Two that come at once can go over the limit by one: it bounds what is kept, no more.
    const known = (await asked(this.bucket.head(key))) ?? (await asked(this.bucket.head(nested(key))));
    if (known === null && (await this.skills()).length >= LIMITS.skills) throw new Refusal(409, 'Too many skills');
    await this.put(key, bytes, 'text/markdown', { uploadedAt: new Date().toISOString() });
    await asked(this.bucket.delete(nested(key)));
    return key;
  }

  async skill(skill: string): Promise<Stored | null> {
    const key = skillKey(this.user, skill);
    return (await this.get(key)) ?? (await this.get(nested(key)));
  }

  async deleteSkill(skill: string): Promise<string> {
    const key = skillKey(this.user, skill);
    await asked(this.bucket.delete([key, nested(key)]));
    return key;
  }

  /** All skills of both layouts, by name. */
  async skills(): Promise<Listed[]> {
    const found = await this.list(`users/${this.user}/skills/`, (rest) => rest.replace(/\/SKILL\.md$/, ''));
    return found.filter(({ name }) => isName('skill name', name));
  }

  async conversations(): Promise<Listed[]> {
    const id = (rest: string): string => (rest.endsWith('.json') ? rest.slice(0, -'.json'.length) : '');
    const found = await this.list(`users/${this.user}/conversations/`, id);
    return found.filter(({ name }) => isName('conversation id', name));
  }

  async put(key: string, value: string | Uint8Array, contentType: string, metadata: Record<string, string>): Promise<void> {
    await asked(this.bucket.put(key, value, { httpMetadata: { contentType }, customMetadata: { userId: this.user, ...metadata } }));
  }

  async get(key: string): Promise<Stored | null> {
    const object = await asked(this.bucket.get(key));
    if (object === null) return null;
    return { text: await asked(object.text()), metadata: object.customMetadata ?? {}, uploaded: object.uploaded.toISOString() };
  }

  async delete(key: string): Promise<void> {
    await asked(this.bucket.delete(key));
  }

  /** Every page of it: a bucket lists a thousand at a time. */
  private async list(prefix: string, nameOf: (rest: string) => string): Promise<Listed[]> {
    const found = new Map<string, Listed>();
    let cursor: string | undefined;
    do {
      const page: R2Objects = await asked(this.bucket.list({ prefix, ...(cursor !== undefined && { cursor }) }));
      for (const { key, size, uploaded } of page.objects) {
        const name = nameOf(key.slice(prefix.length));
        if (!found.has(name)) found.set(name, { name, size, uploaded });
      }
      cursor = page.truncated ? page.cursor : undefined;
    } while (cursor !== undefined);
    return [...found.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }
}

async function asked<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    console.error('the bucket failed', error);
    throw new Refusal(503, 'Storage unavailable');
  }
}
