import Foundation

/// What a commit that returned survives. Agents refuse the first: an older state repeats message keys.
public enum Durability: String, Sendable {
    case eventuallyConsistent = "eventually consistent"
    /// Nothing.
    case volatile
    /// The end of the process.
    case process
    /// The loss of power.
    case synced
}

/// Names a record.
public struct RecordID: Sendable, Hashable {
    /// What the record is about, by name.
    public let kind: String
    /// 16 bytes.
    public let key: Data

    public init(kind: String, key: Data) {
        self.kind = kind
        self.key = key
    }
}

/// A stored record.
public struct StoredRecord: Sendable, Hashable {
    /// Its name.
    public let id: RecordID
    /// 1 when first written, one more with every write.
    public let version: UInt64
    /// Sealed bytes.
    public let sealed: Data

    public init(id: RecordID, version: UInt64, sealed: Data) {
        self.id = id
        self.version = version
        self.sealed = sealed
    }
}

/// One write of a batch.
public struct Change: Sendable, Hashable {
    /// The record it writes.
    public let id: RecordID
    /// The version it must be at; 0 says that it must be absent.
    public let expected: UInt64
    /// The new sealed bytes; `nil` deletes the record.
    public let value: Data?
    /// The version that the value is stored as.
    public let version: UInt64

    public init(id: RecordID, expected: UInt64, value: Data?, version: UInt64) {
        self.id = id
        self.expected = expected
        self.value = value
        self.version = version
    }
}

/// Thrown by a store of your own to say what went wrong. Anything else that it throws counts as: nobody knows whether a commit was
/// written; the store is not used any more then until it is opened again.
public enum StoreFailure: Error, Sendable {
    /// A record is at another version than was expected, 0 if it is absent. Nothing was written.
    case conflict(RecordID, expected: UInt64, actual: UInt64)
    /// The store was closed.
    case closed
    /// No space is left. Nothing was written.
    case full
    /// Somebody else has it open.
    case locked
    /// What is behind it cannot be reached. Nothing was written.
    case unreachable(String)
    /// What is stored is damaged.
    case corrupt(String)
}

/// A store of your own. Several calls may be under way at a time, from any task.
///
/// What it must get right is ``commit(_:)``: compare *all* expected versions first, write all changes or none, and return only when
/// they survive what ``durability`` says. ``checkStorage(_:durability:exclusive:open:)`` tests whether it does.
public protocol CustomStorage: AnyObject, Sendable {
    /// What a commit that returned survives.
    var durability: Durability { get }
    /// The records with these ids, in their order; `nil` for those that are absent.
    func load(_ ids: [RecordID]) async throws -> [StoredRecord?]
    /// At most `limit` records of a kind by ascending key, from the first key greater than `after`.
    func list(kind: String, after: Data?, limit: Int) async throws -> [StoredRecord]
    /// Writes the whole batch or nothing of it; throws ``StoreFailure/conflict(_:expected:actual:)`` for a record at another version.
    func commit(_ changes: [Change]) async throws
    /// Finishes the calls under way and releases what it holds. Called once; no calls come after it.
    func close() async throws
}

extension CustomStorage {
    public var durability: Durability { .synced }
}

extension Storage {
    /// A store of your own. It is kept for as long as anything uses it.
    public convenience init(_ store: any CustomStorage, key: Key? = nil) {
        let location = String(describing: type(of: store))
        self.init(location: location, key: key) {
            let made = try makeForeignStorage(location: location, durability: store.durability.rawValue)
            answerCalls(made.calls, of: store)
            return made.storage
        }
    }
}

/// Answers a store's calls until nobody uses it any more: dropping the last agent or manager that does ends the queue.
func answerCalls(_ calls: NativeStorageCalls, of store: any CustomStorage) {
    Task {
        var closed = false
        while let call = try? await calls.next() {
            // A store that was closed, and is dropped then, is closed once.
            switch call.operation {
            case .close where closed: call.reply.done()
            case _ where closed: call.reply.fail(failure: .closed, message: "the store is closed")
            default:
                if case .close = call.operation { closed = true }
                Task { await answer(call, store) }
            }
        }
    }
}

private func answer(_ call: NativeStorageCall, _ store: any CustomStorage) async {
    let reply = call.reply
    do {
        switch call.operation {
        case .load(let ids):
            reply.records(found: try await store.load(ids.map(RecordID.init)).map { $0?.native })
        case .list(let kind, let after, let limit):
            reply.records(found: try await store.list(kind: kind, after: after, limit: Int(limit)).map(\.native))
        case .commit(let changes):
            try await store.commit(changes.map(Change.init))
            reply.done()
        case .close:
            try await store.close()
            reply.done()
        }
    } catch {
        refuse(error) { id, expected, actual in
            reply.conflict(id: id.native, expected: expected, actual: actual)
        } other: { failure, message in
            reply.fail(failure: failure, message: message)
        }
    }
}

func refuse(
    _ error: Error, conflict: (RecordID, UInt64, UInt64) -> Void, other: (NativeStorageFailure, String) -> Void
) {
    switch error {
    case StoreFailure.conflict(let id, let expected, let actual): conflict(id, expected, actual)
    case StoreFailure.closed: other(.closed, "closed")
    case StoreFailure.full: other(.full, "full")
    case StoreFailure.locked: other(.locked, "locked")
    case StoreFailure.unreachable(let message): other(.unreachable, message)
    case StoreFailure.corrupt(let message): other(.corrupt, message)
    default:
        Log.report("a store failed", error)
        other(.failed, "\(type(of: error)) in a store of the application")
    }
}

extension RecordID {
    init(_ native: NativeRecordId) { self.init(kind: native.kind, key: native.key) }
    var native: NativeRecordId { NativeRecordId(kind: kind, key: key) }
}

extension StoredRecord {
    init(_ native: NativeRecord) { self.init(id: RecordID(native.id), version: native.version, sealed: native.sealed) }
    var native: NativeRecord { NativeRecord(id: id.native, version: version, sealed: sealed) }
}

extension Change {
    init(_ native: NativeChange) {
        self.init(id: RecordID(native.id), expected: native.expected, value: native.value, version: native.version)
    }

    var native: NativeChange { NativeChange(id: id.native, expected: expected, value: value, version: version) }
}
