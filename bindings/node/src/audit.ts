// Audit logs: the agent's own, which is chained and signed, and one for what an application wants to say.

import { later, now } from './calls';
import type { EngineAuditLog } from './engine';
import { json, members } from './values';

/** How grave an event is. */
export type Severity = 'DEBUG' | 'INFO' | 'WARNING' | 'ERROR' | 'CRITICAL';

const SEVERITIES: readonly Severity[] = ['DEBUG', 'INFO', 'WARNING', 'ERROR', 'CRITICAL'];

/** What is known of an event. */
export interface AuditFields {
  peerAmid?: string | undefined;
  sessionId?: string | undefined;
  [more: string]: unknown;
}

/** What a log of an agent found when it was verified. */
export interface AuditReport {
  files: number;
  lines: number;
  events: number;
  anchors: number;
  anchored: boolean | null;
  encrypted: boolean;
  dropped: number;
  repairs: number;
  torn: boolean;
}

/** The audit log of an agent: every line is chained to the one before, and signed. */
export class AuditLog {
  readonly #engine: EngineAuditLog;

  /** @internal */
  constructor(made: EngineAuditLog) {
    this.#engine = made;
  }

  /** Logs an event of the application. Never waits. */
  log(type: string, severity: Severity, message: string, fields: AuditFields = {}): void {
    const { peerAmid, ...metadata } = fields;
    now(() => this.#engine.log(type, severity, message, peerAmid ?? null, json(metadata)));
  }

  /** The events that match, oldest first. */
  async query(
    conditions: {
      types?: string[];
      minSeverity?: Severity;
      peer?: string;
      session?: string;
      since?: Date;
      until?: Date;
      limit?: number;
    } = {},
  ): Promise<Record<string, unknown>[]> {
    const { minSeverity, since, until, ...rest } = conditions;
    const asked = { ...rest, min_severity: minSeverity, since: since?.getTime(), until: until?.getTime() };
    return JSON.parse(await later(() => this.#engine.query(json(asked)))) as Record<string, unknown>[];
  }

  /** Checks the whole log; with an anchor, also that it still has what the anchor says. `AUDIT_BROKEN` names the first line that is wrong. */
  async verify(anchor?: string): Promise<AuditReport> {
    return members<AuditReport>(JSON.parse(await later(() => this.#engine.verify(anchor ?? null))));
  }

  /** Signs the end of the log; to be kept where its disk is not. */
  async anchor(): Promise<string> {
    return later(() => this.#engine.anchor());
  }

  /** Resolves when everything logged before is on disk. */
  async flush(): Promise<void> {
    await later(() => this.#engine.flush());
  }
}

/** An event of an application, as {@link createAuditLogger} hands it on. */
export interface AuditEntry {
  timestamp: string;
  agentAmid: string;
  type: string;
  severity: Severity;
  message: string;
  fields: AuditFields;
}

/** Logs events of an application, where there is no disk for a chained log. */
export interface AuditLogger {
  log(type: string, severity: Severity, message: string, fields?: AuditFields): void;
}

/**
 * A logger for what an application wants to say of an agent: one line of JSON an event to `console.log`, which platforms such as
 * Workers keep, or to a `sink` of your own. For a log that shows that it was not changed, give the client an `auditLog`.
 */
export function createAuditLogger(
  amid: string,
  options: { minSeverity?: Severity; sink?: (entry: AuditEntry) => void } = {},
): AuditLogger {
  const least = SEVERITIES.indexOf(options.minSeverity ?? 'INFO');
  const sink = options.sink ?? ((entry: AuditEntry) => console.log(JSON.stringify(entry)));
  return {
    log(type, severity, message, fields = {}) {
      if (SEVERITIES.indexOf(severity) < least) return;
      sink({ timestamp: new Date().toISOString(), agentAmid: amid, type, severity, message, fields });
    },
  };
}
