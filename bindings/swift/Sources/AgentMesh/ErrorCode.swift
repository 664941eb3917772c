// Every error code. The list is written by generate_codes.py; a test compares it with the library and with docs/errors.md.

/// The stable codes of errors: `error.code == .AGENT_CLOSED`. What each means is in the repository's `docs/errors.md`. A code that this
/// version does not know is kept as it came.
public struct ErrorCode: RawRepresentable, Sendable, Hashable, CustomStringConvertible {
    public let rawValue: String
    public init(rawValue: String) { self.rawValue = rawValue }
    public var description: String { rawValue }
}

extension ErrorCode: CaseIterable {
    public static let allCases: [ErrorCode] = [
        .AGENT_CLOSED,
        .AGENT_CONFIG,
        .AGENT_EXCHANGE_KEY_FIXED,
        .AGENT_IDENTITY_KEY,
        .AGENT_INTERNAL,
        .AGENT_NOT_ONLINE,
        .AGENT_NO_IDENTITY,
        .AGENT_NO_REGISTRY,
        .AGENT_REPLACED,
        .AGENT_REVOKED,
        .AGENT_STOPPED,
        .AGENT_SUPERSEDED,
        .AGENT_WS_AGENT,
        .AGENT_WS_CLOSED,
        .AGENT_WS_COMMANDS_UNKNOWN,
        .AGENT_WS_CONFIG,
        .AGENT_WS_CONNECT,
        .AGENT_WS_CONNECTION_LOST,
        .AGENT_WS_EMPTY,
        .AGENT_WS_NOT_CONNECTED,
        .AGENT_WS_REFUSED,
        .AGENT_WS_TIMEOUT,
        .AGENT_WS_TOO_LONG,
        .AGENT_WS_TOO_MANY_WAITING,
        .AIWM_AGENT_NOT_FOUND,
        .AIWM_AUTH_REJECTED,
        .AIWM_CONFIG,
        .AIWM_PROTOCOL,
        .AIWM_REJECTED,
        .AIWM_UNAVAILABLE,
        .AIWM_UNREACHABLE,
        .AMID_ENCODING,
        .AMID_LENGTH,
        .AUDIT_ANCHOR_FORGED,
        .AUDIT_ANCHOR_MALFORMED,
        .AUDIT_ANCHOR_NOT_FOUND,
        .AUDIT_BROKEN,
        .AUDIT_CLOSED,
        .AUDIT_FILE_MISSING,
        .AUDIT_IO,
        .AUDIT_KEY,
        .AUDIT_LOCKED,
        .AUDIT_UNKNOWN_VERSION,
        .BACKUP_COST,
        .BACKUP_DAMAGED,
        .BACKUP_EMPTY_PASSPHRASE,
        .BACKUP_IDENTITY,
        .BACKUP_NOT_A_BACKUP,
        .BACKUP_OUT_OF_MEMORY,
        .BACKUP_TOO_LONG,
        .BACKUP_UNKNOWN_VERSION,
        .BACKUP_WRONG_PASSPHRASE,
        .BINDING_ARGUMENT,
        .BINDING_BUSY,
        .BINDING_FORKED,
        .BINDING_NO_SESSION,
        .BINDING_PANICKED,
        .BINDING_SERVER,
        .BINDING_USED,
        .BLOCK_LIST_FULL,
        .BUNDLE_AMID_MISMATCH,
        .BUNDLE_BAD_SIGNATURE,
        .BUNDLE_FROM_THE_FUTURE,
        .BUNDLE_KEM_KEY,
        .BUNDLE_LOW_ORDER_KEY,
        .BUNDLE_MALFORMED,
        .BUNDLE_STALE,
        .BUNDLE_SUITE_DOWNGRADE,
        .BUNDLE_SUITE_SET,
        .BUNDLE_TOO_OLD,
        .CAPABILITY_MALFORMED,
        .CAPABILITY_NAME,
        .CAPABILITY_TOO_MANY,
        .CBOR_DUPLICATE_KEY,
        .CBOR_INDEFINITE,
        .CBOR_INVALID_VALUE,
        .CBOR_MALFORMED,
        .CBOR_MISSING_FIELD,
        .CBOR_NOT_SHORTEST,
        .CBOR_TOO_DEEP,
        .CBOR_TOO_LONG,
        .CBOR_TRAILING_BYTES,
        .CBOR_TRUNCATED,
        .CBOR_UNSORTED_KEYS,
        .CBOR_WRONG_TYPE,
        .CERTIFICATE_ALGORITHM,
        .CERTIFICATE_BAD_SIGNATURE,
        .CERTIFICATE_CRITICAL_EXTENSION,
        .CERTIFICATE_EXPIRED,
        .CERTIFICATE_MALFORMED,
        .CERTIFICATE_NOT_ALLOWED_TO_SIGN,
        .CERTIFICATE_NOT_YET_VALID,
        .CERTIFICATE_OTHER_AGENT,
        .CERTIFICATE_SUBJECT,
        .CERTIFICATE_TOO_LONG,
        .CERTIFICATE_UNSIGNED,
        .CERTIFICATE_UNTRUSTED,
        .CHAT_EMPTY,
        .CHAT_FAILED,
        .CHAT_NOT_CONFIGURED,
        .CHAT_STATUS,
        .CHAT_TIMEOUT,
        .CHAT_TOO_LONG,
        .CHAT_UNREACHABLE,
        .CHAT_UNREADABLE,
        .CODEC_INVALID_VALUE,
        .CODEC_TOO_LONG,
        .CODEC_TRAILING_BYTES,
        .CODEC_TRUNCATED,
        .CODEC_UNKNOWN_VERSION,
        .CONTROL_BAD_SIGNATURE,
        .CONTROL_NOT_ASKED,
        .CONTROL_OUT_OF_WINDOW,
        .CONTROL_WRONG_SENDER,
        .COPY_DIFFERS,
        .COPY_MARK,
        .COPY_MOVED,
        .COPY_NOT_EMPTY,
        .COPY_NOT_MOVED,
        .COPY_SOURCE_EMPTY,
        .COPY_STORAGE,
        .COPY_UNFINISHED,
        .DECRYPT_AUTHENTICATION,
        .DECRYPT_DUPLICATE,
        .DECRYPT_MALFORMED,
        .DECRYPT_PADDING,
        .DECRYPT_ROLLBACK,
        .DECRYPT_STALE,
        .DECRYPT_TOO_MANY_SKIPPED,
        .DECRYPT_UNKNOWN_CHAIN,
        .DECRYPT_WRONG_SUITE,
        .DID_BAD_PROOF,
        .DID_DOCUMENT_MALFORMED,
        .DID_DOCUMENT_TOO_LONG,
        .DID_INVALID,
        .DID_KEY_MISMATCH,
        .DID_METHOD_NOT_SUPPORTED,
        .DID_NO_PROOF,
        .ENCRYPT_EXHAUSTED,
        .ENCRYPT_EXPIRED,
        .ENCRYPT_INTERNAL,
        .ENCRYPT_NO_ROOM,
        .ENCRYPT_TOO_LONG,
        .ENGINE_INTERNAL,
        .FRAME_BASE64,
        .FRAME_FIELD,
        .FRAME_KEY,
        .FRAME_NOT_NATIVE,
        .FRAME_TOO_LONG,
        .FRAME_UNKNOWN_KIND,
        .FRAME_UNKNOWN_SUITE,
        .HANDSHAKE_MALFORMED,
        .HANDSHAKE_NON_CONTRIBUTORY,
        .HANDSHAKE_NO_COMMON_SUITE,
        .HANDSHAKE_PREKEY_GONE,
        .HANDSHAKE_SUITE_DOWNGRADE,
        .HANDSHAKE_UNSUPPORTED_SUITE,
        .HANDSHAKE_UNUSABLE_KEY,
        .HANDSHAKE_WRONG_KEYS,
        .HTTP_BODY_TOO_LONG,
        .HTTP_BODY_UNREADABLE,
        .HTTP_CONFLICT,
        .HTTP_CONNECT,
        .HTTP_INTERRUPTED,
        .HTTP_INVALID_URL,
        .HTTP_NOT_FOUND,
        .HTTP_RATE_LIMITED,
        .HTTP_REJECTED,
        .HTTP_SETUP,
        .HTTP_TIMEOUT,
        .HTTP_UNAUTHORIZED,
        .HTTP_UNAVAILABLE,
        .IDENTITY_AMID_MISMATCH,
        .IDENTITY_EXISTS,
        .IDENTITY_IMPORT_FAILED,
        .IDENTITY_INVALID_FIELD,
        .IDENTITY_INVALID_PATH,
        .IDENTITY_LOAD_FAILED,
        .IDENTITY_MALFORMED_JSON,
        .IDENTITY_NOT_FOUND,
        .IDENTITY_PUBLIC_KEY_MISMATCH,
        .IDENTITY_RECORD,
        .IDENTITY_RESERVED_INPUT,
        .IDENTITY_WRONG_PREFIX,
        .JSON_MALFORMED,
        .JSON_TOO_DEEP,
        .KEY_BAD_CIPHERTEXT,
        .KEY_BAD_SIGNATURE,
        .KEY_INVALID_KEM_KEY,
        .KEY_INVALID_VERIFYING_KEY,
        .KEY_LENGTH,
        .KEY_NON_CONTRIBUTORY,
        .KEY_OUT_OF_MEMORY,
        .KEY_PASSPHRASE_COST,
        .KEY_PLAINTEXT_TOO_LONG,
        .KNOCK_BAD_SIGNATURE,
        .KNOCK_BODY,
        .KNOCK_EXPIRED,
        .KNOCK_FROM_THE_FUTURE,
        .KNOCK_NOT_AN_ANSWER,
        .KNOCK_NOT_A_KNOCK,
        .KNOCK_NOT_PENDING,
        .KNOCK_REPLAYED,
        .KNOCK_REQUEST,
        .KNOCK_REQUEST_INVALID,
        .KNOCK_SUITE_DOWNGRADE,
        .KNOCK_TOO_MANY,
        .KNOCK_WRONG_NONCE,
        .LEGACY_CIPHERTEXT_TOO_SHORT,
        .LEGACY_DECRYPT_NOT_ACTIVE,
        .LEGACY_DUPLICATE,
        .LEGACY_EXCHANGE_KEY_MISMATCH,
        .LEGACY_HEADER_NON_CONTRIBUTORY,
        .LEGACY_INVALID_VALUE,
        .LEGACY_KEY_PAIR,
        .LEGACY_KNOCK_FORMAT,
        .LEGACY_KNOCK_NOT_FOR_US,
        .LEGACY_KNOCK_SIGNATURE,
        .LEGACY_KNOCK_STALE,
        .LEGACY_KNOCK_VERSION,
        .LEGACY_KNOCK_WRONG_NONCE,
        .LEGACY_MALFORMED,
        .LEGACY_MESSAGE_NOT_AN_OBJECT,
        .LEGACY_MESSAGE_TOO_LONG,
        .LEGACY_NON_CONTRIBUTORY,
        .LEGACY_NOT_JSON,
        .LEGACY_RATCHET_KEY_NON_CONTRIBUTORY,
        .LEGACY_RATCHET_KEY_SIGNATURE,
        .LEGACY_RESPONDER_FIRST,
        .LEGACY_SESSION_NOT_ACTIVE,
        .LEGACY_SESSION_NOT_PENDING,
        .LEGACY_SIGNED_PREKEY_SIGNATURE,
        .LEGACY_TOO_LONG,
        .LEGACY_TOO_MANY_SKIPPED,
        .LEGACY_UNDECRYPTABLE,
        .LEGACY_UNKNOWN_ONE_TIME_PREKEY,
        .LEGACY_UNKNOWN_SIGNED_PREKEY,
        .MANAGER_CONFLICT,
        .MANAGER_LEGACY_DISABLED,
        .MANAGER_MALFORMED,
        .MANAGER_NOT_JSON,
        .MANAGER_NO_NATIVE_BUNDLE,
        .MANAGER_SEALED,
        .MANAGER_UNDECODABLE,
        .MANAGER_UNKNOWN_PEER,
        .MANAGER_WRONG_PEER,
        .MESSAGE_DONE,
        .MESSAGE_HEADER_INVALID,
        .MESSAGE_ID_IN_USE,
        .NATIVE_BUNDLE_UNAVAILABLE,
        .OAUTH_FAILED,
        .OAUTH_PENDING,
        .OUTBOX_FULL,
        .PASSPHRASE_ALREADY_LOCKED,
        .PASSPHRASE_COST,
        .PASSPHRASE_DAMAGED,
        .PASSPHRASE_EMPTY,
        .PASSPHRASE_NOT_LOCKED,
        .PASSPHRASE_OTHER_KEY,
        .PASSPHRASE_OUT_OF_MEMORY,
        .PASSPHRASE_STORAGE,
        .PASSPHRASE_WRONG,
        .PAYLOAD_INVALID_JSON,
        .PAYLOAD_TOO_LARGE,
        .PEER_BLOCKED,
        .PLAINTEXT_CBOR,
        .PLAINTEXT_JSON,
        .PLAINTEXT_TOO_LONG,
        .PLAINTEXT_TWO_PAYLOADS,
        .PLAINTEXT_UNSIGNED,
        .POLICY_MALFORMED,
        .POLICY_TOO_LONG,
        .POLICY_UNAVAILABLE,
        .PREKEYS_NOT_INITIALIZED,
        .PREKEYS_RECORD,
        .RATING_INVALID,
        .REGISTRY_AGENT_NOT_FOUND,
        .REGISTRY_CLOCK_SKEW,
        .REGISTRY_KEY_SWAPPED,
        .REGISTRY_NOT_ACCEPTED,
        .REGISTRY_NOT_PRIVATE,
        .REGISTRY_OTHER_EXCHANGE_KEY,
        .REGISTRY_UNREADABLE_FIELD,
        .RELAY_BUSY,
        .RELAY_CLOSED,
        .RELAY_CLOSED_BY_RELAY,
        .RELAY_CLOSED_IN_HANDSHAKE,
        .RELAY_FRAME_MALFORMED,
        .RELAY_FRAME_TOO_LONG,
        .RELAY_HANDSHAKE_FLOODED,
        .RELAY_HANDSHAKE_TIMEOUT,
        .RELAY_NOT_CONNECTED,
        .RELAY_REFUSED,
        .RELAY_REPLACED,
        .RELAY_SILENT,
        .RELAY_TRANSPORT,
        .REQUEST_AUTH_AMID_MISMATCH,
        .REQUEST_AUTH_BAD_SIGNATURE,
        .REQUEST_AUTH_MALFORMED,
        .REQUEST_AUTH_OUT_OF_WINDOW,
        .REQUEST_ERROR_RESPONSE,
        .REQUEST_NO_RESPONSE,
        .REVOCATION_UNCHECKED,
        .ROTATION_TOO_OFTEN,
        .SCHEMA_INVALID,
        .SCHEMA_NAME,
        .SCHEMA_TOO_LARGE,
        .SCHEMA_UNKNOWN,
        .SCHEMA_VIOLATION,
        .SEND_AGENT_STOPPED,
        .SEND_BUNDLE_REFUSED,
        .SEND_CANCELLED,
        .SEND_KNOCK_REJECTED,
        .SEND_NATIVE_BUNDLE_UNAVAILABLE,
        .SEND_NOT_FOR_LEGACY,
        .SEND_NO_SESSION,
        .SEND_PAYLOAD_ABANDONED,
        .SEND_PAYLOAD_DAMAGED,
        .SEND_PAYLOAD_TOO_LARGE_FOR_PEER,
        .SEND_PEER_BLOCKED,
        .SEND_PEER_BUSY,
        .SEND_RATE_LIMITED,
        .SEND_RECIPIENT_REVOKED,
        .SEND_REJECTED_RECENTLY,
        .SEND_SESSION_KILLED,
        .SEND_SUITE_DOWNGRADE,
        .SEND_TOO_LARGE_FOR_RELAY,
        .SEND_TOO_MANY_STREAMS,
        .SEND_TO_SELF,
        .SEND_UNCONFIRMED,
        .SEND_UNKNOWN_RECIPIENT,
        .SESSION_CLOSED,
        .SESSION_EXISTS,
        .SESSION_NON_CONTRIBUTORY,
        .SESSION_NOT_FIRST,
        .SESSION_NOT_FOUND,
        .SESSION_NOT_PENDING,
        .SESSION_TOO_MANY_CLOSED,
        .SESSION_UNSUPPORTED_SUITE,
        .SIGNALING_BAD_SIGNATURE,
        .SIGNALING_CLOSED,
        .SIGNALING_CONFIG,
        .SIGNALING_CONNECT,
        .SIGNALING_CONTENT_TYPE,
        .SIGNALING_IDENTITY_CHANGED,
        .SIGNALING_INVALID_SIGNAL,
        .SIGNALING_NOT_CONFIRMED,
        .SIGNALING_NOT_JOINED,
        .SIGNALING_PEER_GONE,
        .SIGNALING_PROTOCOL,
        .SIGNALING_QUEUE_FULL,
        .SIGNALING_RATE_LIMITED,
        .SIGNALING_REDIRECTED,
        .SIGNALING_REFUSED,
        .SIGNALING_REJECTED,
        .SIGNALING_STREAM_LOST,
        .SIGNALING_SUPERSEDED,
        .SIGNALING_TIMEOUT,
        .SIGNALING_UNAUTHORIZED,
        .STAGE_NOT_REACHED,
        .STATE_COPIED,
        .STATE_IDENTITY_EXISTS,
        .STATE_IDENTITY_MISSING,
        .STATE_STORAGE,
        .STATE_UNDECODABLE,
        .STATE_UNREADABLE,
        .STATE_VAULT,
        .STATE_WRONG_STORE_KEY,
        .STORAGE_CHANGED_TWICE,
        .STORAGE_CLOSED,
        .STORAGE_CONFLICT,
        .STORAGE_CORRUPT,
        .STORAGE_CRASHED,
        .STORAGE_EMPTY,
        .STORAGE_EVENTUALLY_CONSISTENT,
        .STORAGE_FOREIGN_VERSION,
        .STORAGE_FORKED,
        .STORAGE_FULL,
        .STORAGE_INVALID_URL,
        .STORAGE_IO,
        .STORAGE_LEASE_LOST,
        .STORAGE_LOCKED,
        .STORAGE_NOT_A_STORE,
        .STORAGE_NO_CONDITIONAL_WRITES,
        .STORAGE_PERMISSION_DENIED,
        .STORAGE_TOO_LARGE,
        .STORAGE_UNCERTAIN,
        .STORAGE_UNREACHABLE,
        .STREAM_BUSY,
        .STREAM_CANCELLED,
        .STREAM_CHUNK_TOO_LONG,
        .STREAM_FAILED,
        .STREAM_GAP,
        .STREAM_IDLE,
        .STREAM_INVALID,
        .STREAM_NOT_ASKED,
        .STREAM_STALLED,
        .STREAM_UNKNOWN,
        .STREAM_VIOLATION,
        .TRANSPORT_BROKEN,
        .TRANSPORT_CONNECT,
        .TRANSPORT_INVALID_URL,
        .TRANSPORT_PROXY,
        .TRANSPORT_REFUSED,
        .TRANSPORT_TIMEOUT,
        .TRANSPORT_TOO_LONG,
        .USER_DATA_AGENT,
        .USER_DATA_CLOSED,
        .USER_DATA_CONFIG,
        .USER_DATA_CONNECT,
        .USER_DATA_CONNECTION_LOST,
        .USER_DATA_DAMAGED,
        .USER_DATA_FORBIDDEN,
        .USER_DATA_FULL,
        .USER_DATA_INTERRUPTED,
        .USER_DATA_INVALID,
        .USER_DATA_INVALID_NAME,
        .USER_DATA_NAME,
        .USER_DATA_NOT_CONNECTED,
        .USER_DATA_NOT_FOUND,
        .USER_DATA_NOT_JSON,
        .USER_DATA_PROTOCOL,
        .USER_DATA_RATE_LIMITED,
        .USER_DATA_REFUSED,
        .USER_DATA_REJECTED,
        .USER_DATA_SESSION_LOST,
        .USER_DATA_STORE_CONFIG,
        .USER_DATA_STORE_LINK,
        .USER_DATA_STORE_UNAVAILABLE,
        .USER_DATA_TAKEN_OVER,
        .USER_DATA_TIMEOUT,
        .USER_DATA_TOO_LARGE,
        .USER_DATA_TOO_LONG,
        .USER_DATA_TOO_MANY_SKILLS,
        .USER_DATA_TURN_RUNNING,
        .USER_DATA_TURN_TIMEOUT,
        .USER_DATA_UNAUTHORIZED,
        .USER_DATA_UNAVAILABLE,
        .USER_DATA_UNREACHABLE,
        .VALUE_CONTENDED,
        .VALUE_INVALID_NAME,
        .VALUE_SERVICE,
        .VALUE_STORAGE,
        .VALUE_TOO_LARGE,
        .VALUE_UNREADABLE,
        .VALUE_VAULT,
        .VAULT_TOO_LONG,
        .VAULT_UNKNOWN_VERSION,
        .VAULT_UNREADABLE,
    ]

    public static let AGENT_CLOSED = ErrorCode(rawValue: "AGENT_CLOSED")
    public static let AGENT_CONFIG = ErrorCode(rawValue: "AGENT_CONFIG")
    public static let AGENT_EXCHANGE_KEY_FIXED = ErrorCode(rawValue: "AGENT_EXCHANGE_KEY_FIXED")
    public static let AGENT_IDENTITY_KEY = ErrorCode(rawValue: "AGENT_IDENTITY_KEY")
    public static let AGENT_INTERNAL = ErrorCode(rawValue: "AGENT_INTERNAL")
    public static let AGENT_NOT_ONLINE = ErrorCode(rawValue: "AGENT_NOT_ONLINE")
    public static let AGENT_NO_IDENTITY = ErrorCode(rawValue: "AGENT_NO_IDENTITY")
    public static let AGENT_NO_REGISTRY = ErrorCode(rawValue: "AGENT_NO_REGISTRY")
    public static let AGENT_REPLACED = ErrorCode(rawValue: "AGENT_REPLACED")
    public static let AGENT_REVOKED = ErrorCode(rawValue: "AGENT_REVOKED")
    public static let AGENT_STOPPED = ErrorCode(rawValue: "AGENT_STOPPED")
    public static let AGENT_SUPERSEDED = ErrorCode(rawValue: "AGENT_SUPERSEDED")
    public static let AGENT_WS_AGENT = ErrorCode(rawValue: "AGENT_WS_AGENT")
    public static let AGENT_WS_CLOSED = ErrorCode(rawValue: "AGENT_WS_CLOSED")
    public static let AGENT_WS_COMMANDS_UNKNOWN = ErrorCode(rawValue: "AGENT_WS_COMMANDS_UNKNOWN")
    public static let AGENT_WS_CONFIG = ErrorCode(rawValue: "AGENT_WS_CONFIG")
    public static let AGENT_WS_CONNECT = ErrorCode(rawValue: "AGENT_WS_CONNECT")
    public static let AGENT_WS_CONNECTION_LOST = ErrorCode(rawValue: "AGENT_WS_CONNECTION_LOST")
    public static let AGENT_WS_EMPTY = ErrorCode(rawValue: "AGENT_WS_EMPTY")
    public static let AGENT_WS_NOT_CONNECTED = ErrorCode(rawValue: "AGENT_WS_NOT_CONNECTED")
    public static let AGENT_WS_REFUSED = ErrorCode(rawValue: "AGENT_WS_REFUSED")
    public static let AGENT_WS_TIMEOUT = ErrorCode(rawValue: "AGENT_WS_TIMEOUT")
    public static let AGENT_WS_TOO_LONG = ErrorCode(rawValue: "AGENT_WS_TOO_LONG")
    public static let AGENT_WS_TOO_MANY_WAITING = ErrorCode(rawValue: "AGENT_WS_TOO_MANY_WAITING")
    public static let AIWM_AGENT_NOT_FOUND = ErrorCode(rawValue: "AIWM_AGENT_NOT_FOUND")
    public static let AIWM_AUTH_REJECTED = ErrorCode(rawValue: "AIWM_AUTH_REJECTED")
    public static let AIWM_CONFIG = ErrorCode(rawValue: "AIWM_CONFIG")
    public static let AIWM_PROTOCOL = ErrorCode(rawValue: "AIWM_PROTOCOL")
    public static let AIWM_REJECTED = ErrorCode(rawValue: "AIWM_REJECTED")
    public static let AIWM_UNAVAILABLE = ErrorCode(rawValue: "AIWM_UNAVAILABLE")
    public static let AIWM_UNREACHABLE = ErrorCode(rawValue: "AIWM_UNREACHABLE")
    public static let AMID_ENCODING = ErrorCode(rawValue: "AMID_ENCODING")
    public static let AMID_LENGTH = ErrorCode(rawValue: "AMID_LENGTH")
    public static let AUDIT_ANCHOR_FORGED = ErrorCode(rawValue: "AUDIT_ANCHOR_FORGED")
    public static let AUDIT_ANCHOR_MALFORMED = ErrorCode(rawValue: "AUDIT_ANCHOR_MALFORMED")
    public static let AUDIT_ANCHOR_NOT_FOUND = ErrorCode(rawValue: "AUDIT_ANCHOR_NOT_FOUND")
    public static let AUDIT_BROKEN = ErrorCode(rawValue: "AUDIT_BROKEN")
    public static let AUDIT_CLOSED = ErrorCode(rawValue: "AUDIT_CLOSED")
    public static let AUDIT_FILE_MISSING = ErrorCode(rawValue: "AUDIT_FILE_MISSING")
    public static let AUDIT_IO = ErrorCode(rawValue: "AUDIT_IO")
    public static let AUDIT_KEY = ErrorCode(rawValue: "AUDIT_KEY")
    public static let AUDIT_LOCKED = ErrorCode(rawValue: "AUDIT_LOCKED")
    public static let AUDIT_UNKNOWN_VERSION = ErrorCode(rawValue: "AUDIT_UNKNOWN_VERSION")
    public static let BACKUP_COST = ErrorCode(rawValue: "BACKUP_COST")
    public static let BACKUP_DAMAGED = ErrorCode(rawValue: "BACKUP_DAMAGED")
    public static let BACKUP_EMPTY_PASSPHRASE = ErrorCode(rawValue: "BACKUP_EMPTY_PASSPHRASE")
    public static let BACKUP_IDENTITY = ErrorCode(rawValue: "BACKUP_IDENTITY")
    public static let BACKUP_NOT_A_BACKUP = ErrorCode(rawValue: "BACKUP_NOT_A_BACKUP")
    public static let BACKUP_OUT_OF_MEMORY = ErrorCode(rawValue: "BACKUP_OUT_OF_MEMORY")
    public static let BACKUP_TOO_LONG = ErrorCode(rawValue: "BACKUP_TOO_LONG")
    public static let BACKUP_UNKNOWN_VERSION = ErrorCode(rawValue: "BACKUP_UNKNOWN_VERSION")
    public static let BACKUP_WRONG_PASSPHRASE = ErrorCode(rawValue: "BACKUP_WRONG_PASSPHRASE")
    public static let BINDING_ARGUMENT = ErrorCode(rawValue: "BINDING_ARGUMENT")
    public static let BINDING_BUSY = ErrorCode(rawValue: "BINDING_BUSY")
    public static let BINDING_FORKED = ErrorCode(rawValue: "BINDING_FORKED")
    public static let BINDING_NO_SESSION = ErrorCode(rawValue: "BINDING_NO_SESSION")
    public static let BINDING_PANICKED = ErrorCode(rawValue: "BINDING_PANICKED")
    public static let BINDING_SERVER = ErrorCode(rawValue: "BINDING_SERVER")
    public static let BINDING_USED = ErrorCode(rawValue: "BINDING_USED")
    public static let BLOCK_LIST_FULL = ErrorCode(rawValue: "BLOCK_LIST_FULL")
    public static let BUNDLE_AMID_MISMATCH = ErrorCode(rawValue: "BUNDLE_AMID_MISMATCH")
    public static let BUNDLE_BAD_SIGNATURE = ErrorCode(rawValue: "BUNDLE_BAD_SIGNATURE")
    public static let BUNDLE_FROM_THE_FUTURE = ErrorCode(rawValue: "BUNDLE_FROM_THE_FUTURE")
    public static let BUNDLE_KEM_KEY = ErrorCode(rawValue: "BUNDLE_KEM_KEY")
    public static let BUNDLE_LOW_ORDER_KEY = ErrorCode(rawValue: "BUNDLE_LOW_ORDER_KEY")
    public static let BUNDLE_MALFORMED = ErrorCode(rawValue: "BUNDLE_MALFORMED")
    public static let BUNDLE_STALE = ErrorCode(rawValue: "BUNDLE_STALE")
    public static let BUNDLE_SUITE_DOWNGRADE = ErrorCode(rawValue: "BUNDLE_SUITE_DOWNGRADE")
    public static let BUNDLE_SUITE_SET = ErrorCode(rawValue: "BUNDLE_SUITE_SET")
    public static let BUNDLE_TOO_OLD = ErrorCode(rawValue: "BUNDLE_TOO_OLD")
    public static let CAPABILITY_MALFORMED = ErrorCode(rawValue: "CAPABILITY_MALFORMED")
    public static let CAPABILITY_NAME = ErrorCode(rawValue: "CAPABILITY_NAME")
    public static let CAPABILITY_TOO_MANY = ErrorCode(rawValue: "CAPABILITY_TOO_MANY")
    public static let CBOR_DUPLICATE_KEY = ErrorCode(rawValue: "CBOR_DUPLICATE_KEY")
    public static let CBOR_INDEFINITE = ErrorCode(rawValue: "CBOR_INDEFINITE")
    public static let CBOR_INVALID_VALUE = ErrorCode(rawValue: "CBOR_INVALID_VALUE")
    public static let CBOR_MALFORMED = ErrorCode(rawValue: "CBOR_MALFORMED")
    public static let CBOR_MISSING_FIELD = ErrorCode(rawValue: "CBOR_MISSING_FIELD")
    public static let CBOR_NOT_SHORTEST = ErrorCode(rawValue: "CBOR_NOT_SHORTEST")
    public static let CBOR_TOO_DEEP = ErrorCode(rawValue: "CBOR_TOO_DEEP")
    public static let CBOR_TOO_LONG = ErrorCode(rawValue: "CBOR_TOO_LONG")
    public static let CBOR_TRAILING_BYTES = ErrorCode(rawValue: "CBOR_TRAILING_BYTES")
    public static let CBOR_TRUNCATED = ErrorCode(rawValue: "CBOR_TRUNCATED")
    public static let CBOR_UNSORTED_KEYS = ErrorCode(rawValue: "CBOR_UNSORTED_KEYS")
    public static let CBOR_WRONG_TYPE = ErrorCode(rawValue: "CBOR_WRONG_TYPE")
    public static let CERTIFICATE_ALGORITHM = ErrorCode(rawValue: "CERTIFICATE_ALGORITHM")
    public static let CERTIFICATE_BAD_SIGNATURE = ErrorCode(rawValue: "CERTIFICATE_BAD_SIGNATURE")
    public static let CERTIFICATE_CRITICAL_EXTENSION = ErrorCode(rawValue: "CERTIFICATE_CRITICAL_EXTENSION")
    public static let CERTIFICATE_EXPIRED = ErrorCode(rawValue: "CERTIFICATE_EXPIRED")
    public static let CERTIFICATE_MALFORMED = ErrorCode(rawValue: "CERTIFICATE_MALFORMED")
    public static let CERTIFICATE_NOT_ALLOWED_TO_SIGN = ErrorCode(rawValue: "CERTIFICATE_NOT_ALLOWED_TO_SIGN")
    public static let CERTIFICATE_NOT_YET_VALID = ErrorCode(rawValue: "CERTIFICATE_NOT_YET_VALID")
    public static let CERTIFICATE_OTHER_AGENT = ErrorCode(rawValue: "CERTIFICATE_OTHER_AGENT")
    public static let CERTIFICATE_SUBJECT = ErrorCode(rawValue: "CERTIFICATE_SUBJECT")
    public static let CERTIFICATE_TOO_LONG = ErrorCode(rawValue: "CERTIFICATE_TOO_LONG")
    public static let CERTIFICATE_UNSIGNED = ErrorCode(rawValue: "CERTIFICATE_UNSIGNED")
    public static let CERTIFICATE_UNTRUSTED = ErrorCode(rawValue: "CERTIFICATE_UNTRUSTED")
    public static let CHAT_EMPTY = ErrorCode(rawValue: "CHAT_EMPTY")
    public static let CHAT_FAILED = ErrorCode(rawValue: "CHAT_FAILED")
    public static let CHAT_NOT_CONFIGURED = ErrorCode(rawValue: "CHAT_NOT_CONFIGURED")
    public static let CHAT_STATUS = ErrorCode(rawValue: "CHAT_STATUS")
    public static let CHAT_TIMEOUT = ErrorCode(rawValue: "CHAT_TIMEOUT")
    public static let CHAT_TOO_LONG = ErrorCode(rawValue: "CHAT_TOO_LONG")
    public static let CHAT_UNREACHABLE = ErrorCode(rawValue: "CHAT_UNREACHABLE")
    public static let CHAT_UNREADABLE = ErrorCode(rawValue: "CHAT_UNREADABLE")
    public static let CODEC_INVALID_VALUE = ErrorCode(rawValue: "CODEC_INVALID_VALUE")
    public static let CODEC_TOO_LONG = ErrorCode(rawValue: "CODEC_TOO_LONG")
    public static let CODEC_TRAILING_BYTES = ErrorCode(rawValue: "CODEC_TRAILING_BYTES")
    public static let CODEC_TRUNCATED = ErrorCode(rawValue: "CODEC_TRUNCATED")
    public static let CODEC_UNKNOWN_VERSION = ErrorCode(rawValue: "CODEC_UNKNOWN_VERSION")
    public static let CONTROL_BAD_SIGNATURE = ErrorCode(rawValue: "CONTROL_BAD_SIGNATURE")
    public static let CONTROL_NOT_ASKED = ErrorCode(rawValue: "CONTROL_NOT_ASKED")
    public static let CONTROL_OUT_OF_WINDOW = ErrorCode(rawValue: "CONTROL_OUT_OF_WINDOW")
    public static let CONTROL_WRONG_SENDER = ErrorCode(rawValue: "CONTROL_WRONG_SENDER")
    public static let COPY_DIFFERS = ErrorCode(rawValue: "COPY_DIFFERS")
    public static let COPY_MARK = ErrorCode(rawValue: "COPY_MARK")
    public static let COPY_MOVED = ErrorCode(rawValue: "COPY_MOVED")
    public static let COPY_NOT_EMPTY = ErrorCode(rawValue: "COPY_NOT_EMPTY")
    public static let COPY_NOT_MOVED = ErrorCode(rawValue: "COPY_NOT_MOVED")
    public static let COPY_SOURCE_EMPTY = ErrorCode(rawValue: "COPY_SOURCE_EMPTY")
    public static let COPY_STORAGE = ErrorCode(rawValue: "COPY_STORAGE")
    public static let COPY_UNFINISHED = ErrorCode(rawValue: "COPY_UNFINISHED")
    public static let DECRYPT_AUTHENTICATION = ErrorCode(rawValue: "DECRYPT_AUTHENTICATION")
    public static let DECRYPT_DUPLICATE = ErrorCode(rawValue: "DECRYPT_DUPLICATE")
    public static let DECRYPT_MALFORMED = ErrorCode(rawValue: "DECRYPT_MALFORMED")
    public static let DECRYPT_PADDING = ErrorCode(rawValue: "DECRYPT_PADDING")
    public static let DECRYPT_ROLLBACK = ErrorCode(rawValue: "DECRYPT_ROLLBACK")
    public static let DECRYPT_STALE = ErrorCode(rawValue: "DECRYPT_STALE")
    public static let DECRYPT_TOO_MANY_SKIPPED = ErrorCode(rawValue: "DECRYPT_TOO_MANY_SKIPPED")
    public static let DECRYPT_UNKNOWN_CHAIN = ErrorCode(rawValue: "DECRYPT_UNKNOWN_CHAIN")
    public static let DECRYPT_WRONG_SUITE = ErrorCode(rawValue: "DECRYPT_WRONG_SUITE")
    public static let DID_BAD_PROOF = ErrorCode(rawValue: "DID_BAD_PROOF")
    public static let DID_DOCUMENT_MALFORMED = ErrorCode(rawValue: "DID_DOCUMENT_MALFORMED")
    public static let DID_DOCUMENT_TOO_LONG = ErrorCode(rawValue: "DID_DOCUMENT_TOO_LONG")
    public static let DID_INVALID = ErrorCode(rawValue: "DID_INVALID")
    public static let DID_KEY_MISMATCH = ErrorCode(rawValue: "DID_KEY_MISMATCH")
    public static let DID_METHOD_NOT_SUPPORTED = ErrorCode(rawValue: "DID_METHOD_NOT_SUPPORTED")
    public static let DID_NO_PROOF = ErrorCode(rawValue: "DID_NO_PROOF")
    public static let ENCRYPT_EXHAUSTED = ErrorCode(rawValue: "ENCRYPT_EXHAUSTED")
    public static let ENCRYPT_EXPIRED = ErrorCode(rawValue: "ENCRYPT_EXPIRED")
    public static let ENCRYPT_INTERNAL = ErrorCode(rawValue: "ENCRYPT_INTERNAL")
    public static let ENCRYPT_NO_ROOM = ErrorCode(rawValue: "ENCRYPT_NO_ROOM")
    public static let ENCRYPT_TOO_LONG = ErrorCode(rawValue: "ENCRYPT_TOO_LONG")
    public static let ENGINE_INTERNAL = ErrorCode(rawValue: "ENGINE_INTERNAL")
    public static let FRAME_BASE64 = ErrorCode(rawValue: "FRAME_BASE64")
    public static let FRAME_FIELD = ErrorCode(rawValue: "FRAME_FIELD")
    public static let FRAME_KEY = ErrorCode(rawValue: "FRAME_KEY")
    public static let FRAME_NOT_NATIVE = ErrorCode(rawValue: "FRAME_NOT_NATIVE")
    public static let FRAME_TOO_LONG = ErrorCode(rawValue: "FRAME_TOO_LONG")
    public static let FRAME_UNKNOWN_KIND = ErrorCode(rawValue: "FRAME_UNKNOWN_KIND")
    public static let FRAME_UNKNOWN_SUITE = ErrorCode(rawValue: "FRAME_UNKNOWN_SUITE")
    public static let HANDSHAKE_MALFORMED = ErrorCode(rawValue: "HANDSHAKE_MALFORMED")
    public static let HANDSHAKE_NON_CONTRIBUTORY = ErrorCode(rawValue: "HANDSHAKE_NON_CONTRIBUTORY")
    public static let HANDSHAKE_NO_COMMON_SUITE = ErrorCode(rawValue: "HANDSHAKE_NO_COMMON_SUITE")
    public static let HANDSHAKE_PREKEY_GONE = ErrorCode(rawValue: "HANDSHAKE_PREKEY_GONE")
    public static let HANDSHAKE_SUITE_DOWNGRADE = ErrorCode(rawValue: "HANDSHAKE_SUITE_DOWNGRADE")
    public static let HANDSHAKE_UNSUPPORTED_SUITE = ErrorCode(rawValue: "HANDSHAKE_UNSUPPORTED_SUITE")
    public static let HANDSHAKE_UNUSABLE_KEY = ErrorCode(rawValue: "HANDSHAKE_UNUSABLE_KEY")
    public static let HANDSHAKE_WRONG_KEYS = ErrorCode(rawValue: "HANDSHAKE_WRONG_KEYS")
    public static let HTTP_BODY_TOO_LONG = ErrorCode(rawValue: "HTTP_BODY_TOO_LONG")
    public static let HTTP_BODY_UNREADABLE = ErrorCode(rawValue: "HTTP_BODY_UNREADABLE")
    public static let HTTP_CONFLICT = ErrorCode(rawValue: "HTTP_CONFLICT")
    public static let HTTP_CONNECT = ErrorCode(rawValue: "HTTP_CONNECT")
    public static let HTTP_INTERRUPTED = ErrorCode(rawValue: "HTTP_INTERRUPTED")
    public static let HTTP_INVALID_URL = ErrorCode(rawValue: "HTTP_INVALID_URL")
    public static let HTTP_NOT_FOUND = ErrorCode(rawValue: "HTTP_NOT_FOUND")
    public static let HTTP_RATE_LIMITED = ErrorCode(rawValue: "HTTP_RATE_LIMITED")
    public static let HTTP_REJECTED = ErrorCode(rawValue: "HTTP_REJECTED")
    public static let HTTP_SETUP = ErrorCode(rawValue: "HTTP_SETUP")
    public static let HTTP_TIMEOUT = ErrorCode(rawValue: "HTTP_TIMEOUT")
    public static let HTTP_UNAUTHORIZED = ErrorCode(rawValue: "HTTP_UNAUTHORIZED")
    public static let HTTP_UNAVAILABLE = ErrorCode(rawValue: "HTTP_UNAVAILABLE")
    public static let IDENTITY_AMID_MISMATCH = ErrorCode(rawValue: "IDENTITY_AMID_MISMATCH")
    public static let IDENTITY_EXISTS = ErrorCode(rawValue: "IDENTITY_EXISTS")
    public static let IDENTITY_IMPORT_FAILED = ErrorCode(rawValue: "IDENTITY_IMPORT_FAILED")
    public static let IDENTITY_INVALID_FIELD = ErrorCode(rawValue: "IDENTITY_INVALID_FIELD")
    public static let IDENTITY_INVALID_PATH = ErrorCode(rawValue: "IDENTITY_INVALID_PATH")
    public static let IDENTITY_LOAD_FAILED = ErrorCode(rawValue: "IDENTITY_LOAD_FAILED")
    public static let IDENTITY_MALFORMED_JSON = ErrorCode(rawValue: "IDENTITY_MALFORMED_JSON")
    public static let IDENTITY_NOT_FOUND = ErrorCode(rawValue: "IDENTITY_NOT_FOUND")
    public static let IDENTITY_PUBLIC_KEY_MISMATCH = ErrorCode(rawValue: "IDENTITY_PUBLIC_KEY_MISMATCH")
    public static let IDENTITY_RECORD = ErrorCode(rawValue: "IDENTITY_RECORD")
    public static let IDENTITY_RESERVED_INPUT = ErrorCode(rawValue: "IDENTITY_RESERVED_INPUT")
    public static let IDENTITY_WRONG_PREFIX = ErrorCode(rawValue: "IDENTITY_WRONG_PREFIX")
    public static let JSON_MALFORMED = ErrorCode(rawValue: "JSON_MALFORMED")
    public static let JSON_TOO_DEEP = ErrorCode(rawValue: "JSON_TOO_DEEP")
    public static let KEY_BAD_CIPHERTEXT = ErrorCode(rawValue: "KEY_BAD_CIPHERTEXT")
    public static let KEY_BAD_SIGNATURE = ErrorCode(rawValue: "KEY_BAD_SIGNATURE")
    public static let KEY_INVALID_KEM_KEY = ErrorCode(rawValue: "KEY_INVALID_KEM_KEY")
    public static let KEY_INVALID_VERIFYING_KEY = ErrorCode(rawValue: "KEY_INVALID_VERIFYING_KEY")
    public static let KEY_LENGTH = ErrorCode(rawValue: "KEY_LENGTH")
    public static let KEY_NON_CONTRIBUTORY = ErrorCode(rawValue: "KEY_NON_CONTRIBUTORY")
    public static let KEY_OUT_OF_MEMORY = ErrorCode(rawValue: "KEY_OUT_OF_MEMORY")
    public static let KEY_PASSPHRASE_COST = ErrorCode(rawValue: "KEY_PASSPHRASE_COST")
    public static let KEY_PLAINTEXT_TOO_LONG = ErrorCode(rawValue: "KEY_PLAINTEXT_TOO_LONG")
    public static let KNOCK_BAD_SIGNATURE = ErrorCode(rawValue: "KNOCK_BAD_SIGNATURE")
    public static let KNOCK_BODY = ErrorCode(rawValue: "KNOCK_BODY")
    public static let KNOCK_EXPIRED = ErrorCode(rawValue: "KNOCK_EXPIRED")
    public static let KNOCK_FROM_THE_FUTURE = ErrorCode(rawValue: "KNOCK_FROM_THE_FUTURE")
    public static let KNOCK_NOT_AN_ANSWER = ErrorCode(rawValue: "KNOCK_NOT_AN_ANSWER")
    public static let KNOCK_NOT_A_KNOCK = ErrorCode(rawValue: "KNOCK_NOT_A_KNOCK")
    public static let KNOCK_NOT_PENDING = ErrorCode(rawValue: "KNOCK_NOT_PENDING")
    public static let KNOCK_REPLAYED = ErrorCode(rawValue: "KNOCK_REPLAYED")
    public static let KNOCK_REQUEST = ErrorCode(rawValue: "KNOCK_REQUEST")
    public static let KNOCK_REQUEST_INVALID = ErrorCode(rawValue: "KNOCK_REQUEST_INVALID")
    public static let KNOCK_SUITE_DOWNGRADE = ErrorCode(rawValue: "KNOCK_SUITE_DOWNGRADE")
    public static let KNOCK_TOO_MANY = ErrorCode(rawValue: "KNOCK_TOO_MANY")
    public static let KNOCK_WRONG_NONCE = ErrorCode(rawValue: "KNOCK_WRONG_NONCE")
    public static let LEGACY_CIPHERTEXT_TOO_SHORT = ErrorCode(rawValue: "LEGACY_CIPHERTEXT_TOO_SHORT")
    public static let LEGACY_DECRYPT_NOT_ACTIVE = ErrorCode(rawValue: "LEGACY_DECRYPT_NOT_ACTIVE")
    public static let LEGACY_DUPLICATE = ErrorCode(rawValue: "LEGACY_DUPLICATE")
    public static let LEGACY_EXCHANGE_KEY_MISMATCH = ErrorCode(rawValue: "LEGACY_EXCHANGE_KEY_MISMATCH")
    public static let LEGACY_HEADER_NON_CONTRIBUTORY = ErrorCode(rawValue: "LEGACY_HEADER_NON_CONTRIBUTORY")
    public static let LEGACY_INVALID_VALUE = ErrorCode(rawValue: "LEGACY_INVALID_VALUE")
    public static let LEGACY_KEY_PAIR = ErrorCode(rawValue: "LEGACY_KEY_PAIR")
    public static let LEGACY_KNOCK_FORMAT = ErrorCode(rawValue: "LEGACY_KNOCK_FORMAT")
    public static let LEGACY_KNOCK_NOT_FOR_US = ErrorCode(rawValue: "LEGACY_KNOCK_NOT_FOR_US")
    public static let LEGACY_KNOCK_SIGNATURE = ErrorCode(rawValue: "LEGACY_KNOCK_SIGNATURE")
    public static let LEGACY_KNOCK_STALE = ErrorCode(rawValue: "LEGACY_KNOCK_STALE")
    public static let LEGACY_KNOCK_VERSION = ErrorCode(rawValue: "LEGACY_KNOCK_VERSION")
    public static let LEGACY_KNOCK_WRONG_NONCE = ErrorCode(rawValue: "LEGACY_KNOCK_WRONG_NONCE")
    public static let LEGACY_MALFORMED = ErrorCode(rawValue: "LEGACY_MALFORMED")
    public static let LEGACY_MESSAGE_NOT_AN_OBJECT = ErrorCode(rawValue: "LEGACY_MESSAGE_NOT_AN_OBJECT")
    public static let LEGACY_MESSAGE_TOO_LONG = ErrorCode(rawValue: "LEGACY_MESSAGE_TOO_LONG")
    public static let LEGACY_NON_CONTRIBUTORY = ErrorCode(rawValue: "LEGACY_NON_CONTRIBUTORY")
    public static let LEGACY_NOT_JSON = ErrorCode(rawValue: "LEGACY_NOT_JSON")
    public static let LEGACY_RATCHET_KEY_NON_CONTRIBUTORY = ErrorCode(rawValue: "LEGACY_RATCHET_KEY_NON_CONTRIBUTORY")
    public static let LEGACY_RATCHET_KEY_SIGNATURE = ErrorCode(rawValue: "LEGACY_RATCHET_KEY_SIGNATURE")
    public static let LEGACY_RESPONDER_FIRST = ErrorCode(rawValue: "LEGACY_RESPONDER_FIRST")
    public static let LEGACY_SESSION_NOT_ACTIVE = ErrorCode(rawValue: "LEGACY_SESSION_NOT_ACTIVE")
    public static let LEGACY_SESSION_NOT_PENDING = ErrorCode(rawValue: "LEGACY_SESSION_NOT_PENDING")
    public static let LEGACY_SIGNED_PREKEY_SIGNATURE = ErrorCode(rawValue: "LEGACY_SIGNED_PREKEY_SIGNATURE")
    public static let LEGACY_TOO_LONG = ErrorCode(rawValue: "LEGACY_TOO_LONG")
    public static let LEGACY_TOO_MANY_SKIPPED = ErrorCode(rawValue: "LEGACY_TOO_MANY_SKIPPED")
    public static let LEGACY_UNDECRYPTABLE = ErrorCode(rawValue: "LEGACY_UNDECRYPTABLE")
    public static let LEGACY_UNKNOWN_ONE_TIME_PREKEY = ErrorCode(rawValue: "LEGACY_UNKNOWN_ONE_TIME_PREKEY")
    public static let LEGACY_UNKNOWN_SIGNED_PREKEY = ErrorCode(rawValue: "LEGACY_UNKNOWN_SIGNED_PREKEY")
    public static let MANAGER_CONFLICT = ErrorCode(rawValue: "MANAGER_CONFLICT")
    public static let MANAGER_LEGACY_DISABLED = ErrorCode(rawValue: "MANAGER_LEGACY_DISABLED")
    public static let MANAGER_MALFORMED = ErrorCode(rawValue: "MANAGER_MALFORMED")
    public static let MANAGER_NOT_JSON = ErrorCode(rawValue: "MANAGER_NOT_JSON")
    public static let MANAGER_NO_NATIVE_BUNDLE = ErrorCode(rawValue: "MANAGER_NO_NATIVE_BUNDLE")
    public static let MANAGER_SEALED = ErrorCode(rawValue: "MANAGER_SEALED")
    public static let MANAGER_UNDECODABLE = ErrorCode(rawValue: "MANAGER_UNDECODABLE")
    public static let MANAGER_UNKNOWN_PEER = ErrorCode(rawValue: "MANAGER_UNKNOWN_PEER")
    public static let MANAGER_WRONG_PEER = ErrorCode(rawValue: "MANAGER_WRONG_PEER")
    public static let MESSAGE_DONE = ErrorCode(rawValue: "MESSAGE_DONE")
    public static let MESSAGE_HEADER_INVALID = ErrorCode(rawValue: "MESSAGE_HEADER_INVALID")
    public static let MESSAGE_ID_IN_USE = ErrorCode(rawValue: "MESSAGE_ID_IN_USE")
    public static let NATIVE_BUNDLE_UNAVAILABLE = ErrorCode(rawValue: "NATIVE_BUNDLE_UNAVAILABLE")
    public static let OAUTH_FAILED = ErrorCode(rawValue: "OAUTH_FAILED")
    public static let OAUTH_PENDING = ErrorCode(rawValue: "OAUTH_PENDING")
    public static let OUTBOX_FULL = ErrorCode(rawValue: "OUTBOX_FULL")
    public static let PASSPHRASE_ALREADY_LOCKED = ErrorCode(rawValue: "PASSPHRASE_ALREADY_LOCKED")
    public static let PASSPHRASE_COST = ErrorCode(rawValue: "PASSPHRASE_COST")
    public static let PASSPHRASE_DAMAGED = ErrorCode(rawValue: "PASSPHRASE_DAMAGED")
    public static let PASSPHRASE_EMPTY = ErrorCode(rawValue: "PASSPHRASE_EMPTY")
    public static let PASSPHRASE_NOT_LOCKED = ErrorCode(rawValue: "PASSPHRASE_NOT_LOCKED")
    public static let PASSPHRASE_OTHER_KEY = ErrorCode(rawValue: "PASSPHRASE_OTHER_KEY")
    public static let PASSPHRASE_OUT_OF_MEMORY = ErrorCode(rawValue: "PASSPHRASE_OUT_OF_MEMORY")
    public static let PASSPHRASE_STORAGE = ErrorCode(rawValue: "PASSPHRASE_STORAGE")
    public static let PASSPHRASE_WRONG = ErrorCode(rawValue: "PASSPHRASE_WRONG")
    public static let PAYLOAD_INVALID_JSON = ErrorCode(rawValue: "PAYLOAD_INVALID_JSON")
    public static let PAYLOAD_TOO_LARGE = ErrorCode(rawValue: "PAYLOAD_TOO_LARGE")
    public static let PEER_BLOCKED = ErrorCode(rawValue: "PEER_BLOCKED")
    public static let PLAINTEXT_CBOR = ErrorCode(rawValue: "PLAINTEXT_CBOR")
    public static let PLAINTEXT_JSON = ErrorCode(rawValue: "PLAINTEXT_JSON")
    public static let PLAINTEXT_TOO_LONG = ErrorCode(rawValue: "PLAINTEXT_TOO_LONG")
    public static let PLAINTEXT_TWO_PAYLOADS = ErrorCode(rawValue: "PLAINTEXT_TWO_PAYLOADS")
    public static let PLAINTEXT_UNSIGNED = ErrorCode(rawValue: "PLAINTEXT_UNSIGNED")
    public static let POLICY_MALFORMED = ErrorCode(rawValue: "POLICY_MALFORMED")
    public static let POLICY_TOO_LONG = ErrorCode(rawValue: "POLICY_TOO_LONG")
    public static let POLICY_UNAVAILABLE = ErrorCode(rawValue: "POLICY_UNAVAILABLE")
    public static let PREKEYS_NOT_INITIALIZED = ErrorCode(rawValue: "PREKEYS_NOT_INITIALIZED")
    public static let PREKEYS_RECORD = ErrorCode(rawValue: "PREKEYS_RECORD")
    public static let RATING_INVALID = ErrorCode(rawValue: "RATING_INVALID")
    public static let REGISTRY_AGENT_NOT_FOUND = ErrorCode(rawValue: "REGISTRY_AGENT_NOT_FOUND")
    public static let REGISTRY_CLOCK_SKEW = ErrorCode(rawValue: "REGISTRY_CLOCK_SKEW")
    public static let REGISTRY_KEY_SWAPPED = ErrorCode(rawValue: "REGISTRY_KEY_SWAPPED")
    public static let REGISTRY_NOT_ACCEPTED = ErrorCode(rawValue: "REGISTRY_NOT_ACCEPTED")
    public static let REGISTRY_NOT_PRIVATE = ErrorCode(rawValue: "REGISTRY_NOT_PRIVATE")
    public static let REGISTRY_OTHER_EXCHANGE_KEY = ErrorCode(rawValue: "REGISTRY_OTHER_EXCHANGE_KEY")
    public static let REGISTRY_UNREADABLE_FIELD = ErrorCode(rawValue: "REGISTRY_UNREADABLE_FIELD")
    public static let RELAY_BUSY = ErrorCode(rawValue: "RELAY_BUSY")
    public static let RELAY_CLOSED = ErrorCode(rawValue: "RELAY_CLOSED")
    public static let RELAY_CLOSED_BY_RELAY = ErrorCode(rawValue: "RELAY_CLOSED_BY_RELAY")
    public static let RELAY_CLOSED_IN_HANDSHAKE = ErrorCode(rawValue: "RELAY_CLOSED_IN_HANDSHAKE")
    public static let RELAY_FRAME_MALFORMED = ErrorCode(rawValue: "RELAY_FRAME_MALFORMED")
    public static let RELAY_FRAME_TOO_LONG = ErrorCode(rawValue: "RELAY_FRAME_TOO_LONG")
    public static let RELAY_HANDSHAKE_FLOODED = ErrorCode(rawValue: "RELAY_HANDSHAKE_FLOODED")
    public static let RELAY_HANDSHAKE_TIMEOUT = ErrorCode(rawValue: "RELAY_HANDSHAKE_TIMEOUT")
    public static let RELAY_NOT_CONNECTED = ErrorCode(rawValue: "RELAY_NOT_CONNECTED")
    public static let RELAY_REFUSED = ErrorCode(rawValue: "RELAY_REFUSED")
    public static let RELAY_REPLACED = ErrorCode(rawValue: "RELAY_REPLACED")
    public static let RELAY_SILENT = ErrorCode(rawValue: "RELAY_SILENT")
    public static let RELAY_TRANSPORT = ErrorCode(rawValue: "RELAY_TRANSPORT")
    public static let REQUEST_AUTH_AMID_MISMATCH = ErrorCode(rawValue: "REQUEST_AUTH_AMID_MISMATCH")
    public static let REQUEST_AUTH_BAD_SIGNATURE = ErrorCode(rawValue: "REQUEST_AUTH_BAD_SIGNATURE")
    public static let REQUEST_AUTH_MALFORMED = ErrorCode(rawValue: "REQUEST_AUTH_MALFORMED")
    public static let REQUEST_AUTH_OUT_OF_WINDOW = ErrorCode(rawValue: "REQUEST_AUTH_OUT_OF_WINDOW")
    public static let REQUEST_ERROR_RESPONSE = ErrorCode(rawValue: "REQUEST_ERROR_RESPONSE")
    public static let REQUEST_NO_RESPONSE = ErrorCode(rawValue: "REQUEST_NO_RESPONSE")
    public static let REVOCATION_UNCHECKED = ErrorCode(rawValue: "REVOCATION_UNCHECKED")
    public static let ROTATION_TOO_OFTEN = ErrorCode(rawValue: "ROTATION_TOO_OFTEN")
    public static let SCHEMA_INVALID = ErrorCode(rawValue: "SCHEMA_INVALID")
    public static let SCHEMA_NAME = ErrorCode(rawValue: "SCHEMA_NAME")
    public static let SCHEMA_TOO_LARGE = ErrorCode(rawValue: "SCHEMA_TOO_LARGE")
    public static let SCHEMA_UNKNOWN = ErrorCode(rawValue: "SCHEMA_UNKNOWN")
    public static let SCHEMA_VIOLATION = ErrorCode(rawValue: "SCHEMA_VIOLATION")
    public static let SEND_AGENT_STOPPED = ErrorCode(rawValue: "SEND_AGENT_STOPPED")
    public static let SEND_BUNDLE_REFUSED = ErrorCode(rawValue: "SEND_BUNDLE_REFUSED")
    public static let SEND_CANCELLED = ErrorCode(rawValue: "SEND_CANCELLED")
    public static let SEND_KNOCK_REJECTED = ErrorCode(rawValue: "SEND_KNOCK_REJECTED")
    public static let SEND_NATIVE_BUNDLE_UNAVAILABLE = ErrorCode(rawValue: "SEND_NATIVE_BUNDLE_UNAVAILABLE")
    public static let SEND_NOT_FOR_LEGACY = ErrorCode(rawValue: "SEND_NOT_FOR_LEGACY")
    public static let SEND_NO_SESSION = ErrorCode(rawValue: "SEND_NO_SESSION")
    public static let SEND_PAYLOAD_ABANDONED = ErrorCode(rawValue: "SEND_PAYLOAD_ABANDONED")
    public static let SEND_PAYLOAD_DAMAGED = ErrorCode(rawValue: "SEND_PAYLOAD_DAMAGED")
    public static let SEND_PAYLOAD_TOO_LARGE_FOR_PEER = ErrorCode(rawValue: "SEND_PAYLOAD_TOO_LARGE_FOR_PEER")
    public static let SEND_PEER_BLOCKED = ErrorCode(rawValue: "SEND_PEER_BLOCKED")
    public static let SEND_PEER_BUSY = ErrorCode(rawValue: "SEND_PEER_BUSY")
    public static let SEND_RATE_LIMITED = ErrorCode(rawValue: "SEND_RATE_LIMITED")
    public static let SEND_RECIPIENT_REVOKED = ErrorCode(rawValue: "SEND_RECIPIENT_REVOKED")
    public static let SEND_REJECTED_RECENTLY = ErrorCode(rawValue: "SEND_REJECTED_RECENTLY")
    public static let SEND_SESSION_KILLED = ErrorCode(rawValue: "SEND_SESSION_KILLED")
    public static let SEND_SUITE_DOWNGRADE = ErrorCode(rawValue: "SEND_SUITE_DOWNGRADE")
    public static let SEND_TOO_LARGE_FOR_RELAY = ErrorCode(rawValue: "SEND_TOO_LARGE_FOR_RELAY")
    public static let SEND_TOO_MANY_STREAMS = ErrorCode(rawValue: "SEND_TOO_MANY_STREAMS")
    public static let SEND_TO_SELF = ErrorCode(rawValue: "SEND_TO_SELF")
    public static let SEND_UNCONFIRMED = ErrorCode(rawValue: "SEND_UNCONFIRMED")
    public static let SEND_UNKNOWN_RECIPIENT = ErrorCode(rawValue: "SEND_UNKNOWN_RECIPIENT")
    public static let SESSION_CLOSED = ErrorCode(rawValue: "SESSION_CLOSED")
    public static let SESSION_EXISTS = ErrorCode(rawValue: "SESSION_EXISTS")
    public static let SESSION_NON_CONTRIBUTORY = ErrorCode(rawValue: "SESSION_NON_CONTRIBUTORY")
    public static let SESSION_NOT_FIRST = ErrorCode(rawValue: "SESSION_NOT_FIRST")
    public static let SESSION_NOT_FOUND = ErrorCode(rawValue: "SESSION_NOT_FOUND")
    public static let SESSION_NOT_PENDING = ErrorCode(rawValue: "SESSION_NOT_PENDING")
    public static let SESSION_TOO_MANY_CLOSED = ErrorCode(rawValue: "SESSION_TOO_MANY_CLOSED")
    public static let SESSION_UNSUPPORTED_SUITE = ErrorCode(rawValue: "SESSION_UNSUPPORTED_SUITE")
    public static let SIGNALING_BAD_SIGNATURE = ErrorCode(rawValue: "SIGNALING_BAD_SIGNATURE")
    public static let SIGNALING_CLOSED = ErrorCode(rawValue: "SIGNALING_CLOSED")
    public static let SIGNALING_CONFIG = ErrorCode(rawValue: "SIGNALING_CONFIG")
    public static let SIGNALING_CONNECT = ErrorCode(rawValue: "SIGNALING_CONNECT")
    public static let SIGNALING_CONTENT_TYPE = ErrorCode(rawValue: "SIGNALING_CONTENT_TYPE")
    public static let SIGNALING_IDENTITY_CHANGED = ErrorCode(rawValue: "SIGNALING_IDENTITY_CHANGED")
    public static let SIGNALING_INVALID_SIGNAL = ErrorCode(rawValue: "SIGNALING_INVALID_SIGNAL")
    public static let SIGNALING_NOT_CONFIRMED = ErrorCode(rawValue: "SIGNALING_NOT_CONFIRMED")
    public static let SIGNALING_NOT_JOINED = ErrorCode(rawValue: "SIGNALING_NOT_JOINED")
    public static let SIGNALING_PEER_GONE = ErrorCode(rawValue: "SIGNALING_PEER_GONE")
    public static let SIGNALING_PROTOCOL = ErrorCode(rawValue: "SIGNALING_PROTOCOL")
    public static let SIGNALING_QUEUE_FULL = ErrorCode(rawValue: "SIGNALING_QUEUE_FULL")
    public static let SIGNALING_RATE_LIMITED = ErrorCode(rawValue: "SIGNALING_RATE_LIMITED")
    public static let SIGNALING_REDIRECTED = ErrorCode(rawValue: "SIGNALING_REDIRECTED")
    public static let SIGNALING_REFUSED = ErrorCode(rawValue: "SIGNALING_REFUSED")
    public static let SIGNALING_REJECTED = ErrorCode(rawValue: "SIGNALING_REJECTED")
    public static let SIGNALING_STREAM_LOST = ErrorCode(rawValue: "SIGNALING_STREAM_LOST")
    public static let SIGNALING_SUPERSEDED = ErrorCode(rawValue: "SIGNALING_SUPERSEDED")
    public static let SIGNALING_TIMEOUT = ErrorCode(rawValue: "SIGNALING_TIMEOUT")
    public static let SIGNALING_UNAUTHORIZED = ErrorCode(rawValue: "SIGNALING_UNAUTHORIZED")
    public static let STAGE_NOT_REACHED = ErrorCode(rawValue: "STAGE_NOT_REACHED")
    public static let STATE_COPIED = ErrorCode(rawValue: "STATE_COPIED")
    public static let STATE_IDENTITY_EXISTS = ErrorCode(rawValue: "STATE_IDENTITY_EXISTS")
    public static let STATE_IDENTITY_MISSING = ErrorCode(rawValue: "STATE_IDENTITY_MISSING")
    public static let STATE_STORAGE = ErrorCode(rawValue: "STATE_STORAGE")
    public static let STATE_UNDECODABLE = ErrorCode(rawValue: "STATE_UNDECODABLE")
    public static let STATE_UNREADABLE = ErrorCode(rawValue: "STATE_UNREADABLE")
    public static let STATE_VAULT = ErrorCode(rawValue: "STATE_VAULT")
    public static let STATE_WRONG_STORE_KEY = ErrorCode(rawValue: "STATE_WRONG_STORE_KEY")
    public static let STORAGE_CHANGED_TWICE = ErrorCode(rawValue: "STORAGE_CHANGED_TWICE")
    public static let STORAGE_CLOSED = ErrorCode(rawValue: "STORAGE_CLOSED")
    public static let STORAGE_CONFLICT = ErrorCode(rawValue: "STORAGE_CONFLICT")
    public static let STORAGE_CORRUPT = ErrorCode(rawValue: "STORAGE_CORRUPT")
    public static let STORAGE_CRASHED = ErrorCode(rawValue: "STORAGE_CRASHED")
    public static let STORAGE_EMPTY = ErrorCode(rawValue: "STORAGE_EMPTY")
    public static let STORAGE_EVENTUALLY_CONSISTENT = ErrorCode(rawValue: "STORAGE_EVENTUALLY_CONSISTENT")
    public static let STORAGE_FOREIGN_VERSION = ErrorCode(rawValue: "STORAGE_FOREIGN_VERSION")
    public static let STORAGE_FORKED = ErrorCode(rawValue: "STORAGE_FORKED")
    public static let STORAGE_FULL = ErrorCode(rawValue: "STORAGE_FULL")
    public static let STORAGE_INVALID_URL = ErrorCode(rawValue: "STORAGE_INVALID_URL")
    public static let STORAGE_IO = ErrorCode(rawValue: "STORAGE_IO")
    public static let STORAGE_LEASE_LOST = ErrorCode(rawValue: "STORAGE_LEASE_LOST")
    public static let STORAGE_LOCKED = ErrorCode(rawValue: "STORAGE_LOCKED")
    public static let STORAGE_NOT_A_STORE = ErrorCode(rawValue: "STORAGE_NOT_A_STORE")
    public static let STORAGE_NO_CONDITIONAL_WRITES = ErrorCode(rawValue: "STORAGE_NO_CONDITIONAL_WRITES")
    public static let STORAGE_PERMISSION_DENIED = ErrorCode(rawValue: "STORAGE_PERMISSION_DENIED")
    public static let STORAGE_TOO_LARGE = ErrorCode(rawValue: "STORAGE_TOO_LARGE")
    public static let STORAGE_UNCERTAIN = ErrorCode(rawValue: "STORAGE_UNCERTAIN")
    public static let STORAGE_UNREACHABLE = ErrorCode(rawValue: "STORAGE_UNREACHABLE")
    public static let STREAM_BUSY = ErrorCode(rawValue: "STREAM_BUSY")
    public static let STREAM_CANCELLED = ErrorCode(rawValue: "STREAM_CANCELLED")
    public static let STREAM_CHUNK_TOO_LONG = ErrorCode(rawValue: "STREAM_CHUNK_TOO_LONG")
    public static let STREAM_FAILED = ErrorCode(rawValue: "STREAM_FAILED")
    public static let STREAM_GAP = ErrorCode(rawValue: "STREAM_GAP")
    public static let STREAM_IDLE = ErrorCode(rawValue: "STREAM_IDLE")
    public static let STREAM_INVALID = ErrorCode(rawValue: "STREAM_INVALID")
    public static let STREAM_NOT_ASKED = ErrorCode(rawValue: "STREAM_NOT_ASKED")
    public static let STREAM_STALLED = ErrorCode(rawValue: "STREAM_STALLED")
    public static let STREAM_UNKNOWN = ErrorCode(rawValue: "STREAM_UNKNOWN")
    public static let STREAM_VIOLATION = ErrorCode(rawValue: "STREAM_VIOLATION")
    public static let TRANSPORT_BROKEN = ErrorCode(rawValue: "TRANSPORT_BROKEN")
    public static let TRANSPORT_CONNECT = ErrorCode(rawValue: "TRANSPORT_CONNECT")
    public static let TRANSPORT_INVALID_URL = ErrorCode(rawValue: "TRANSPORT_INVALID_URL")
    public static let TRANSPORT_PROXY = ErrorCode(rawValue: "TRANSPORT_PROXY")
    public static let TRANSPORT_REFUSED = ErrorCode(rawValue: "TRANSPORT_REFUSED")
    public static let TRANSPORT_TIMEOUT = ErrorCode(rawValue: "TRANSPORT_TIMEOUT")
    public static let TRANSPORT_TOO_LONG = ErrorCode(rawValue: "TRANSPORT_TOO_LONG")
    public static let USER_DATA_AGENT = ErrorCode(rawValue: "USER_DATA_AGENT")
    public static let USER_DATA_CLOSED = ErrorCode(rawValue: "USER_DATA_CLOSED")
    public static let USER_DATA_CONFIG = ErrorCode(rawValue: "USER_DATA_CONFIG")
    public static let USER_DATA_CONNECT = ErrorCode(rawValue: "USER_DATA_CONNECT")
    public static let USER_DATA_CONNECTION_LOST = ErrorCode(rawValue: "USER_DATA_CONNECTION_LOST")
    public static let USER_DATA_DAMAGED = ErrorCode(rawValue: "USER_DATA_DAMAGED")
    public static let USER_DATA_FORBIDDEN = ErrorCode(rawValue: "USER_DATA_FORBIDDEN")
    public static let USER_DATA_FULL = ErrorCode(rawValue: "USER_DATA_FULL")
    public static let USER_DATA_INTERRUPTED = ErrorCode(rawValue: "USER_DATA_INTERRUPTED")
    public static let USER_DATA_INVALID = ErrorCode(rawValue: "USER_DATA_INVALID")
    public static let USER_DATA_INVALID_NAME = ErrorCode(rawValue: "USER_DATA_INVALID_NAME")
    public static let USER_DATA_NAME = ErrorCode(rawValue: "USER_DATA_NAME")
    public static let USER_DATA_NOT_CONNECTED = ErrorCode(rawValue: "USER_DATA_NOT_CONNECTED")
    public static let USER_DATA_NOT_FOUND = ErrorCode(rawValue: "USER_DATA_NOT_FOUND")
    public static let USER_DATA_NOT_JSON = ErrorCode(rawValue: "USER_DATA_NOT_JSON")
    public static let USER_DATA_PROTOCOL = ErrorCode(rawValue: "USER_DATA_PROTOCOL")
    public static let USER_DATA_RATE_LIMITED = ErrorCode(rawValue: "USER_DATA_RATE_LIMITED")
    public static let USER_DATA_REFUSED = ErrorCode(rawValue: "USER_DATA_REFUSED")
    public static let USER_DATA_REJECTED = ErrorCode(rawValue: "USER_DATA_REJECTED")
    public static let USER_DATA_SESSION_LOST = ErrorCode(rawValue: "USER_DATA_SESSION_LOST")
    public static let USER_DATA_STORE_CONFIG = ErrorCode(rawValue: "USER_DATA_STORE_CONFIG")
    public static let USER_DATA_STORE_LINK = ErrorCode(rawValue: "USER_DATA_STORE_LINK")
    public static let USER_DATA_STORE_UNAVAILABLE = ErrorCode(rawValue: "USER_DATA_STORE_UNAVAILABLE")
    public static let USER_DATA_TAKEN_OVER = ErrorCode(rawValue: "USER_DATA_TAKEN_OVER")
    public static let USER_DATA_TIMEOUT = ErrorCode(rawValue: "USER_DATA_TIMEOUT")
    public static let USER_DATA_TOO_LARGE = ErrorCode(rawValue: "USER_DATA_TOO_LARGE")
    public static let USER_DATA_TOO_LONG = ErrorCode(rawValue: "USER_DATA_TOO_LONG")
    public static let USER_DATA_TOO_MANY_SKILLS = ErrorCode(rawValue: "USER_DATA_TOO_MANY_SKILLS")
    public static let USER_DATA_TURN_RUNNING = ErrorCode(rawValue: "USER_DATA_TURN_RUNNING")
    public static let USER_DATA_TURN_TIMEOUT = ErrorCode(rawValue: "USER_DATA_TURN_TIMEOUT")
    public static let USER_DATA_UNAUTHORIZED = ErrorCode(rawValue: "USER_DATA_UNAUTHORIZED")
    public static let USER_DATA_UNAVAILABLE = ErrorCode(rawValue: "USER_DATA_UNAVAILABLE")
    public static let USER_DATA_UNREACHABLE = ErrorCode(rawValue: "USER_DATA_UNREACHABLE")
    public static let VALUE_CONTENDED = ErrorCode(rawValue: "VALUE_CONTENDED")
    public static let VALUE_INVALID_NAME = ErrorCode(rawValue: "VALUE_INVALID_NAME")
    public static let VALUE_SERVICE = ErrorCode(rawValue: "VALUE_SERVICE")
    public static let VALUE_STORAGE = ErrorCode(rawValue: "VALUE_STORAGE")
    public static let VALUE_TOO_LARGE = ErrorCode(rawValue: "VALUE_TOO_LARGE")
    public static let VALUE_UNREADABLE = ErrorCode(rawValue: "VALUE_UNREADABLE")
    public static let VALUE_VAULT = ErrorCode(rawValue: "VALUE_VAULT")
    public static let VAULT_TOO_LONG = ErrorCode(rawValue: "VAULT_TOO_LONG")
    public static let VAULT_UNKNOWN_VERSION = ErrorCode(rawValue: "VAULT_UNKNOWN_VERSION")
    public static let VAULT_UNREADABLE = ErrorCode(rawValue: "VAULT_UNREADABLE")
}
