import Foundation

/// Where agents keep their state. A store sees ids that say nothing and bytes that are already sealed; it never sees a key.
///
/// One of ``MemoryStorage``, ``SqliteStorage``, ``FileStorage``, ``S3Storage`` and ``UrlStorage``, or a store of your own:
/// ``CustomStorage``. It is opened when it is first used. Agents close theirs; one agent at a time uses a store, and to open it again
/// takes a new object.
public class Storage: @unchecked Sendable {
    /// Which store this is, for people.
    public let location: String
    /// Seals what is stored, unless whoever uses the storage says otherwise. Default: the environment variable `AGENTMESH_STORE_KEY`.
    public let key: Key
    private let state: Opened

    /// Opens the store when it is first asked for. Who comes while that is under way waits for the same; one that failed can be tried
    /// again.
    private actor Opened {
        private let open: @Sendable () async throws -> NativeStorage
        private var opening: Task<NativeStorage, Error>?
        private var withKey: NativeSealedStore?

        init(open: @escaping @Sendable () async throws -> NativeStorage) { self.open = open }

        func store() async throws -> NativeStorage {
            let open = self.open
            let opening = self.opening ?? Task { try await later(open) }
            self.opening = opening
            do {
                return try await opening.value
            } catch {
                if self.opening == opening { self.opening = nil }
                throw error
            }
        }

        func sealed(_ key: Data) async throws -> NativeSealedStore {
            let store = try await store()
            if let withKey { return withKey }
            let made = try now { try NativeSealedStore(storage: store, key: key) }
            withKey = made
            return made
        }
    }

    init(location: String, key: Key?, open: @escaping @Sendable () async throws -> NativeStorage) {
        self.location = location
        self.key = key ?? .variable()
        self.state = Opened(open: open)
    }

    /// The store that agents open.
    func opened() async throws -> NativeStorage { try await state.store() }

    /// The store with its key, for identities and managers.
    func sealed() async throws -> NativeSealedStore { try await state.sealed(try key.sealing()) }

    /// Releases files and locks; agents do it with theirs. Again is fine.
    public func close() async throws {
        let store = try await opened()
        try await later { try await store.close() }
    }
}

/// The records, as they are stored: sealed. For tests and tools.
extension Storage {
    /// The records with these ids, in their order; `nil` for those that are absent.
    public func load(_ ids: [RecordID]) async throws -> [StoredRecord?] {
        let store = try await opened()
        let named = ids.map(\.native)
        return try await later { try await store.load(ids: named) }.map { $0.map(StoredRecord.init) }
    }

    /// At most `limit` records of a kind by ascending key, from the first key greater than `after`.
    public func list(kind: String, after: Data? = nil, limit: Int = 256) async throws -> [StoredRecord] {
        let store = try await opened()
        return try await later { try await store.list(kind: kind, after: after, limit: UInt32(clamping: limit)) }.map(StoredRecord.init)
    }

    /// Writes the whole batch or nothing of it.
    public func commit(_ changes: [Change]) async throws {
        let store = try await opened()
        let batch = changes.map(\.native)
        try await later { try await store.commit(changes: batch) }
    }
}

/// A store in memory, for tests: nothing survives the process.
public final class MemoryStorage: Storage, @unchecked Sendable {
    public init(key: Key? = nil) {
        super.init(location: "memory", key: key ?? .random()) { NativeStorage.memory() }
    }
}

/// An SQLite file, which is made if it is not there.
public final class SqliteStorage: Storage, @unchecked Sendable {
    public init(_ path: String, key: Key? = nil) {
        super.init(location: path, key: key) { try await openSqlite(path: path) }
    }
}

/// A directory, one file a record.
public final class FileStorage: Storage, @unchecked Sendable {
    public init(_ directory: String, key: Key? = nil) {
        super.init(location: directory, key: key) { try await openDirectory(path: directory) }
    }
}

/// The store that a URL names: `sqlite:PATH`, `file:DIR`, `s3://BUCKET/PREFIX`.
public final class UrlStorage: Storage, @unchecked Sendable {
    public init(_ url: String, key: Key? = nil) {
        super.init(location: url, key: key) { try await openStore(url: url) }
    }
}

/// A bucket of S3, R2 or MinIO: `s3://BUCKET/PREFIX`. Where and with which credentials, the `AWS_` variables say.
public final class S3Storage: Storage, @unchecked Sendable {
    public init(_ url: String, key: Key? = nil) {
        super.init(location: url, key: key) { try await openStore(url: url) }
    }
}
