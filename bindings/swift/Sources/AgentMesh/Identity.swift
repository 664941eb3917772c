import Foundation

/// An agent's private identity: the key that is the agent, and the one it receives handshakes with.
///
/// Printing it shows the address only. To keep a copy, use ``backUp(passphrase:)``.
public final class Identity: @unchecked Sendable {
    let native: NativeIdentity

    init(_ native: NativeIdentity) { self.native = native }

    /// A fresh identity.
    public static func generate() throws -> Identity {
        Identity(try now { try NativeIdentity.generate() })
    }

    /// The identity that was saved under a path, or that of the agent in this store. `IDENTITY_NOT_FOUND` only if nothing is there.
    public static func load(from storage: Storage, path: String) async throws -> Identity {
        let sealed = try await storage.sealed()
        return Identity(try await later { try await loadIdentity(store: sealed, path: path, generate: false) })
    }

    /// Loads the identity at a path; makes one and saves it only if nothing is there. Two that do it at once get the same one.
    public static func loadOrGenerate(in storage: Storage, path: String) async throws -> Identity {
        let sealed = try await storage.sealed()
        return Identity(try await later { try await loadIdentity(store: sealed, path: path, generate: true) })
    }

    /// Writes the identity under a path; never over another one (`IDENTITY_EXISTS`).
    public func save(to storage: Storage, path: String) async throws {
        let sealed = try await storage.sealed()
        try await later { try await native.save(store: sealed, path: path) }
    }

    /// Opens a backup for the identity alone. Takes a tenth of a second.
    public static func restore(backup: String, passphrase: String) async throws -> Identity {
        Identity(try await later { try await restoreIdentity(backup: backup, passphrase: passphrase) })
    }

    /// Reads the identity file of `agentmesh/0.2`. Public keys and address are checked against the private keys.
    public static func fromJSON(_ text: String) throws -> Identity {
        Identity(try now { try NativeIdentity.fromJson(text: text) })
    }

    /// The identity as that file, **with the private keys in the clear**: never log it.
    public func toJSON() throws -> String { try now { try native.toJson() } }

    /// Seals the identity under a passphrase, as text that can be printed and pasted. Takes a tenth of a second.
    public func backUp(passphrase: String) async throws -> String {
        try await later { try await native.backUp(passphrase: passphrase) }
    }

    /// The address: the hash of the signing key.
    public var amid: String { native.amid() }
    /// The DID, `did:agentmesh:` and the AMID.
    public var did: String { native.did() }
    /// The public signing key, 32 bytes.
    public var signingPublicKey: Data { native.signingKey() }
    /// The public exchange key, 32 bytes.
    public var exchangePublicKey: Data { native.exchangeKey() }
    /// When the identity was made.
    public var createdAt: Date { Coding.moment(native.createdAt()) }
    /// Six groups of five digits to read aloud.
    public var fingerprint: String { native.fingerprint() }

    /// Signs bytes of the application's choosing. Bytes that the protocol itself signs are refused (`IDENTITY_RESERVED_INPUT`).
    public func sign(_ message: Data) throws -> Data { try now { try native.sign(message: message) } }

    /// A timestamp for servers of `agentmesh/0.2`, and the base64 of its signature. No two are the same.
    public func signTimestamp() -> (timestamp: String, signature: String) {
        let signed = native.signTimestamp()
        return (signed.timestamp, signed.signature)
    }
}

extension Identity: CustomStringConvertible, CustomReflectable {
    public var description: String { "Identity \(amid)" }
    /// Shows the address only.
    public var customMirror: Mirror { Mirror(self, children: ["amid": amid]) }
}

/// A backup that was opened, for one new store: `backup` of ``ClientOptions``.
public final class Backup: @unchecked Sendable {
    let native: NativeBackup

    private init(_ native: NativeBackup) { self.native = native }

    /// Opens a backup. Takes a tenth of a second.
    public static func open(_ text: String, passphrase: String) async throws -> Backup {
        Backup(try await later { try await openBackup(backup: text, passphrase: passphrase) })
    }

    /// Whose backup it is.
    public var amid: String { native.amid() }
}

/// Whether a signature over a message is that of a key.
public func verify(signingKey: Data, message: Data, signature: Data) throws -> Bool {
    try now { try verifySignature(key: signingKey, message: message, signature: signature) }
}

/// The safety number of two signing keys, the same whoever computes it: 60 digits to compare on a call.
public func safetyNumber(_ one: Data, _ other: Data) throws -> String {
    try now { try safetyNumber(one: one, other: other) }
}
