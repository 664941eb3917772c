// Which tab may write: the one that holds a lock of the browser, which gives it up by itself when a tab closes or crashes. And what
// happens to tabs that the browser puts away: into the back/forward cache, or frozen in the background.

/** What a holder of a turn does to end it. */
export type Release = () => void;

/**
 * Takes the lock of this name, after all who asked for it earlier, until `waiting` is aborted; `null` if it is not to be waited for
 * and somebody has it. `lost` is called should the browser take it away again.
 */
export function takeTurn(name: string, waiting: AbortSignal | undefined, lost: () => void): Promise<Release | null> {
  return new Promise((resolve, reject) => {
    let ours = false;
    const hold = (lock: Lock | null): Promise<void> | null => {
      if (lock === null) {
        resolve(null);
        return null;
      }
      ours = true;
      return new Promise<void>((release) => {
        resolve(() => {
          ours = false;
          release();
        });
      });
    };
    navigator.locks.request(name, waiting === undefined ? { ifAvailable: true } : { signal: waiting }, hold).catch((error: unknown) => {
      if (ours) lost();
      else reject(error);
    });
  });
}

/** Whether the browser has put this page away. */
export class Page {
  readonly #listening: [EventTarget, string, (event: Event) => void][] = [];
  #here = new AbortController();
  #back = Promise.resolve();
  #return = (): void => undefined;

  /** `away` is called when it is put away. */
  constructor(away: () => void) {
    // A worker has no such events, and stands still with its page.
    if (typeof document === 'undefined') return;
    const leave = (): void => {
      if (this.here.aborted) return;
      this.#back = new Promise((resolve) => (this.#return = resolve));
      this.#here.abort(new DOMException('the page was put away', 'AbortError'));
      away();
    };
    const comeBack = (): void => {
      if (!this.here.aborted) return;
      this.#here = new AbortController();
      this.#return();
    };
    // One that is not kept is gone for good, and its locks with it.
    this.#listen(globalThis, 'pagehide', (event) => (event as PageTransitionEvent).persisted && leave());
    this.#listen(globalThis, 'pageshow', comeBack);
    this.#listen(document, 'freeze', leave);
    this.#listen(document, 'resume', comeBack);
  }

  #listen(target: EventTarget, type: string, listener: (event: Event) => void): void {
    target.addEventListener(type, listener);
    this.#listening.push([target, type, listener]);
  }

  /** Aborted when the page is put away; a fresh one when it is back. */
  get here(): AbortSignal {
    return this.#here.signal;
  }

  /** Resolves when the page is not away. */
  get back(): Promise<void> {
    return this.#back;
  }

  /** Listens no more, and holds up nobody. */
  leave(): void {
    for (const [target, type, listener] of this.#listening.splice(0)) target.removeEventListener(type, listener);
    this.#return();
  }
}
