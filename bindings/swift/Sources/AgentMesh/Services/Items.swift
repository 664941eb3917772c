import Foundation

/// What a service tells, one after the other: an asynchronous sequence that is pulled. Leaving the loop, or cancelling its task, ends
/// this reader and nothing else.
public struct Items<Element: Sendable>: AsyncSequence, Sendable {
    private let native: NativeItems
    private let convert: @Sendable (String, JSON) throws -> Element

    init(_ native: NativeItems, _ convert: @escaping @Sendable (String, JSON) throws -> Element) {
        self.native = native
        self.convert = convert
    }

    /// Pulls.
    public struct AsyncIterator: AsyncIteratorProtocol {
        let native: NativeItems
        let convert: @Sendable (String, JSON) throws -> Element

        /// The next one; `nil` after the last, or when the task was cancelled.
        public mutating func next() async throws -> Element? {
            do {
                guard let item = try await later({ try await native.next() }) else { return nil }
                return try convert(item.kind, try JSON(text: item.details))
            } catch is CancellationError {
                return nil
            }
        }
    }

    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(native: native, convert: convert) }
}

extension JSON {
    /// Members of an object of the library's, as a value of this package.
    func value<T: Decodable>(_ type: T.Type = T.self) throws -> T { try Coding.decode(type, from: text) }

    func string(_ name: String) -> String { self[name]?.stringValue ?? "" }
    func texts(_ name: String) -> [String] { (self[name]?.arrayValue ?? []).compactMap(\.stringValue) }
    func seconds(_ name: String) -> TimeInterval? { self[name]?.doubleValue.map { $0 / 1000 } }
    func moment(_ name: String) -> Date? { seconds(name).map(Date.init(timeIntervalSince1970:)) }
    func error(_ name: String) -> AgentMeshError? {
        guard let told = self[name], case .object = told else { return nil }
        return AgentMeshError(told: told)
    }

    /// Members but those that are named.
    func others(_ names: String...) -> [String: JSON] { (objectValue ?? [:]).filter { !names.contains($0.key) } }
}
