// What is answered, and bodies of bounded size.

/** Why something is refused, as the caller hears it. */
export class Refusal extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly headers: Record<string, string> = {},
  ) {
    super(message);
  }

  static method(...allowed: string[]): Refusal {
    return new Refusal(405, 'Method not allowed', { Allow: allowed.join(', ') });
  }

  static readonly path = (): Refusal => new Refusal(404, 'Not found');
  static readonly tooLarge = (): Refusal => new Refusal(413, 'Payload too large');

  response(): Response {
    return Response.json({ error: this.message }, { status: this.status, headers: this.headers });
  }
}

/** The body as text; nothing beyond `limit` bytes is kept. */
export async function text(request: Request, limit: number): Promise<string> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of (request.body ?? []) as AsyncIterable<Uint8Array>) {
    length += part.length;
    if (length <= limit) parts.push(part);
    else parts.length = 0;
  }
  if (length > limit) throw Refusal.tooLarge();
  return new TextDecoder().decode(await new Blob(parts).arrayBuffer());
}

/** A JSON object; for anything else, `message`. */
export function object(body: string, message: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    throw new Refusal(400, message);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Refusal(400, message);
  return value as Record<string, unknown>;
}
