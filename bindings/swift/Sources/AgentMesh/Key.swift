import Foundation

/// Where the key comes from that seals what is stored: 32 bytes. Lost, the store is lost.
public struct Key: Sendable {
    enum Source: Sendable {
        case bytes(Data)
        case file(String)
        case variable(String)
        case passphrase(String)
    }

    let source: Source

    /// 32 bytes, such as from the Keychain.
    public static func bytes(_ bytes: Data) -> Key { Key(source: .bytes(bytes)) }

    /// A file, made together with a new identity and readable by its owner only.
    public static func file(_ path: String) -> Key { Key(source: .file(path)) }

    /// An environment variable with 32 bytes in base64.
    public static func variable(_ name: String = "AGENTMESH_STORE_KEY") -> Key { Key(source: .variable(name)) }

    /// A passphrase for a key that is made with a new identity and kept in the store. Opening takes a tenth of a second.
    public static func passphrase(_ passphrase: String) -> Key { Key(source: .passphrase(passphrase)) }

    /// A fresh key that is kept nowhere: for stores in memory.
    public static func random() -> Key {
        var generator = SystemRandomNumberGenerator()
        return .bytes(Data((0..<32).map { _ in UInt8.random(in: .min ... .max, using: &generator) }))
    }

    var native: NativeStoreKey {
        switch source {
        case .bytes(let bytes): return .bytes(bytes: bytes)
        case .file(let path): return .file(path: path)
        case .variable(let name): return .variable(name: name)
        case .passphrase(let passphrase): return .passphrase(passphrase: passphrase)
        }
    }

    /// The 32 bytes, for what has no identity to make a key with.
    func sealing() throws -> Data {
        switch source {
        case .bytes(let bytes):
            return bytes
        case .variable(let name):
            guard let text = ProcessInfo.processInfo.environment[name], !text.isEmpty else {
                throw AgentMeshError.argument("the environment variable \(name) is not set")
            }
            guard let bytes = Data(base64Encoded: text.trimmingCharacters(in: .whitespacesAndNewlines)), bytes.count == 32 else {
                throw AgentMeshError.argument("the environment variable \(name) does not hold 32 bytes in base64")
            }
            return bytes
        case .file, .passphrase:
            throw AgentMeshError.argument("here, a key is 32 bytes or Key.variable()")
        }
    }
}

extension Key: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    public var description: String { "Key(…)" }
    public var debugDescription: String { description }
    /// Shows nothing: `dump` and debuggers print mirrors.
    public var customMirror: Mirror { Mirror(self, children: [:]) }
}
