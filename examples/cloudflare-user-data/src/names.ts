// Names that become parts of keys and paths. What is no name is refused before it comes near a key.

import { Refusal } from './answers';

export type Kind = 'user id' | 'session id' | 'skill name' | 'conversation id' | 'settings name';

const CHARACTERS = 128;
const BYTES = 255;
/** Control characters, slashes, ends of lines, and marks that turn the direction of text. */
const FORBIDDEN = /[\p{Cc}/\\\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]/u;
/** A dot or a blank at the beginning or the end. */
const EDGES = /^[.\s]|[.\s]$/u;
/** What Windows takes for a device, whatever extension follows: sandboxes may have such file systems. */
const DEVICE = /^(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9¹²³])\s*(?:\.|$)/iu;

/** A name in NFC, so that what looks the same is the same. Upper and lower case stay apart. */
export function name(kind: Kind, text: string): string {
  const normal = text.length > 4 * BYTES ? '' : text.normalize('NFC');
  const bytes = new TextEncoder().encode(normal).length;
  if (bytes === 0 || bytes > BYTES || [...normal].length > CHARACTERS || !normal.isWellFormed()) throw invalid(kind);
  if (FORBIDDEN.test(normal) || EDGES.test(normal) || DEVICE.test(normal)) throw invalid(kind);
  return normal;
}

/** One segment of a path, decoded once. */
export function segment(kind: Kind, text: string): string {
  try {
    return name(kind, decodeURIComponent(text));
  } catch (error) {
    throw error instanceof URIError ? invalid(kind) : error;
  }
}

/** Whether a key's part is a name as it is: what would be found under another key is not listed. */
export function isName(kind: Kind, text: string): boolean {
  try {
    return name(kind, text) === text;
  } catch {
    return false;
  }
}

const invalid = (kind: Kind): Refusal => new Refusal(400, `Invalid ${kind}`);
