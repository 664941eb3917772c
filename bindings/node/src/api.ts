// Everything that the package is, whatever engine is beneath.

export { AuditLog, createAuditLogger } from './audit';
export type { AuditEntry, AuditFields, AuditLogger, AuditReport, Severity } from './audit';
export type { Abortable } from './calls';
export { AgentMeshClient } from './client';
export { KVStorage, R2Storage } from './cloudflare';
export type { KVNamespaceLike, R2BucketLike } from './cloudflare';
export { DurableObjectStorage } from './durable';
export type { DurableObjectStorageLike } from './durable';
export { ErrorCode } from './codes';
export type { MessageHandler, RequestHandler } from './dispatch';
export { AgentMeshError, Failure } from './errors';
export type { ErrorKind, RemoteFailure } from './errors';
export type { EventListener } from './events';
export { IndexedDbStorage } from './indexeddb';
export type { IndexedDbOptions, LostReason } from './indexeddb';
export { Backup, Identity, safetyNumber, verify } from './identity';
export type { IdentityJSON } from './identity';
export { Key } from './key';
export type { Decision, Knock, KnockHandler, KnockRequest, PendingKnock } from './knock';
export { KnockProtocol, PrekeyManager, SessionManager } from './managers';
export type { Envelope, Incoming, OneTimePrekey, PrekeyBundle, X3DHMessage } from './managers';
export { Message, Messages } from './message';
export type { ClientOptions, RateLimit, RequestOptions, SendOptions, StreamOptions } from './options';
export { keepOnline } from './online';
export type { AlarmStorageLike } from './online';
export { Policy } from './policy';
export { Conflict, CustomStorage, FileStorage, MemoryStorage, S3Storage, SqliteStorage, Storage, StoreFailure, UrlStorage } from './storage';
export type { Change, Durability, RecordId, StorageOptions, StoreFailureKind, StoredRecord } from './storage';
export { IncomingStream, OutgoingStream } from './stream';
export type { Chunk } from './stream';
export type {
  AgentEvent,
  Agreement,
  Bucket,
  CapabilityMatch,
  CircuitStatus,
  InboxItem,
  Listing,
  OpenStream,
  OutboxItem,
  RateStatus,
  SearchPage,
  Sent,
  SessionChains,
  SessionSummary,
  SessionType,
  Stage,
  Tier,
} from './values';

export { VERSION } from './version';
