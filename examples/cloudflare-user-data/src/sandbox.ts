// What a session's agent finds below `/workspace`: one Durable Object a session. It stands where a container would, so that `setup`
// can be tried without one; README.md says how to put a container in its place.

import { DurableObject } from 'cloudflare:workers';
import { Refusal } from './answers';
import { environment, type Env } from './env';
import { Store } from './store';

const SKILLS = '/workspace/.claude/skills/';

export interface Prepared {
  setupMethod: 'r2_load_dev' | 'r2_mount' | 'r2_load_fallback';
  /** Where the agent finds them; not said of a mount. */
  skillsLoaded?: string[];
}

/** What went wrong; errors of classes do not cross to the Worker that asked. */
export interface Refused {
  status: number;
  refused: string;
}

export class Sandbox extends DurableObject<Env> {
  #last: Promise<unknown> = Promise.resolve();

  constructor(state: DurableObjectState, env: Env) {
    super(state, env);
    state.storage.sql.exec('CREATE TABLE IF NOT EXISTS file (path TEXT PRIMARY KEY, content TEXT NOT NULL)');
  }

  /** Puts a user's skills, and nobody else's, where the agent looks for them. What was there before is gone. */
  prepare(user: string): Promise<Prepared | Refused> {
    return this.#alone(async () => {
      try {
        return await this.#prepare(user);
      } catch (error) {
        if (error instanceof Refusal) return { status: error.status, refused: error.message };
        throw error;
      }
    });
  }

  async #prepare(user: string): Promise<Prepared> {
    if (environment(this.env) === 'development') return { setupMethod: 'r2_load_dev', ...(await this.#load(user)) };
    try {
      await this.mount(user);
      return { setupMethod: 'r2_mount' };
    } catch (error) {
      console.error('the skills could not be mounted', error);
      return { setupMethod: 'r2_load_fallback', ...(await this.#load(user)) };
    }
  }

  /** A file as the agent sees it, or `null`. */
  async readFile(path: string): Promise<string | null> {
    const user = await this.ctx.storage.get<string>('mounted');
    if (user !== undefined && path.startsWith(SKILLS)) {
      return (await new Store(this.env.USER_DATA, user).skill(path.slice(SKILLS.length)))?.text ?? null;
    }
    const [row] = this.ctx.storage.sql.exec('SELECT content FROM file WHERE path = ?', path).toArray();
    return (row?.['content'] as string | undefined) ?? null;
  }

  /** Removes everything. Again is fine. */
  destroy(): Promise<void> {
    return this.#alone(() => this.#clear());
  }

  /** The channel to the agent. There is none here. */
  override async fetch(_: Request): Promise<Response> {
    return Response.json({ error: 'There is no agent in this sandbox' }, { status: 501 });
  }

  /** Shows a user's skills, read-only: what is uploaded later is there at once. */
  protected async mount(user: string): Promise<void> {
    await this.#clear();
    await this.ctx.storage.put('mounted', user);
  }

  protected async writeFile(path: string, content: string): Promise<void> {
    this.ctx.storage.sql.exec('INSERT OR REPLACE INTO file VALUES (?, ?)', path, content);
  }

  async #load(user: string): Promise<{ skillsLoaded?: string[] }> {
    await this.#clear();
    const store = new Store(this.env.USER_DATA, user);
    const skillsLoaded: string[] = [];
    for (const { name } of await store.skills()) {
      const found = await store.skill(name);
      // It may have been deleted meanwhile.
      if (found === null) continue;
      await this.writeFile(SKILLS + name, found.text);
      skillsLoaded.push(SKILLS + name);
    }
    return skillsLoaded.length === 0 ? {} : { skillsLoaded };
  }

  async #clear(): Promise<void> {
    this.ctx.storage.sql.exec('DELETE FROM file');
    await this.ctx.storage.delete('mounted');
  }

  /** One after the other: two setups at a time would mix their files. */
  #alone<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(work);
    this.#last = done.catch(() => undefined);
    return done;
  }
}
