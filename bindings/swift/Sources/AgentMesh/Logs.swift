import Foundation

/// How grave a record of the library's log is.
public enum LogLevel: Int, Sendable, Comparable {
    case off
    /// Bugs.
    case error
    /// What was refused or did not work.
    case warn
    /// Changes of state.
    case info
    /// Single steps.
    case debug
    /// Everything.
    case trace

    public static func < (one: LogLevel, other: LogLevel) -> Bool { one.rawValue < other.rawValue }

    fileprivate var native: NativeLogLevel {
        switch self {
        case .off: return .off
        case .error: return .error
        case .warn: return .warn
        case .info: return .info
        case .debug: return .debug
        case .trace: return .trace
        }
    }

    fileprivate init(_ native: NativeLogLevel) {
        switch native {
        case .off: self = .off
        case .error: self = .error
        case .warn: self = .warn
        case .info: self = .info
        case .debug: self = .debug
        case .trace: self = .trace
        }
    }
}

/// A line of the library's log. Holds no content and no keys.
public struct LogRecord: Sendable, Hashable {
    /// How grave it is.
    public let level: LogLevel
    /// Which part of the library says it.
    public let target: String
    /// What it says, with its fields behind.
    public let message: String
    /// Records before this one that were dropped because the delegate was too slow.
    public let dropped: UInt64
}

/// Gets the library's log, one record after the other, on a task of its own.
public protocol LogDelegate: AnyObject, Sendable {
    func log(_ record: LogRecord)
}

/// The library's log. Without a delegate, nothing is collected.
public enum Log {
    private final class State: @unchecked Sendable {
        let lock = NSLock()
        weak var delegate: LogDelegate?
        var logs: NativeLogs?
        var reading: Task<Void, Never>?
    }

    private static let state = State()

    /// Hands the log to a delegate from now on, which is not kept; `nil` stops that. Records that are less grave than `level` are not
    /// collected.
    public static func setDelegate(_ delegate: LogDelegate?, level: LogLevel = .info) throws {
        try state.lock.withLock {
            state.delegate = delegate
            let level: LogLevel = delegate == nil ? .off : level
            if let logs = state.logs { return logs.setLevel(level: level.native) }
            guard delegate != nil, let logs = try now({ try collectLogs(level: level.native) }) else { return }
            state.logs = logs
            state.reading = Task.detached(priority: .utility) {
                while let record = try? await logs.next() {
                    let delegate = state.lock.withLock { state.delegate }
                    delegate?.log(
                        LogRecord(
                            level: LogLevel(record.level), target: record.target, message: record.message, dropped: record.dropped))
                }
            }
        }
    }

    /// What this package has to say of the application's own code: to the delegate, or to standard error.
    static func report(_ what: String, _ error: Error) {
        let message = "\(what): \(error)"
        if let delegate = state.lock.withLock({ state.delegate }) {
            delegate.log(LogRecord(level: .error, target: "AgentMesh", message: message, dropped: 0))
        } else {
            FileHandle.standardError.write(Data("AgentMesh: \(message)\n".utf8))
        }
    }
}
