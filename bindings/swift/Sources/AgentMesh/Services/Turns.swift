import Foundation

/// A message in a conversation with an agent.
public struct ChannelMessage: Sendable, Hashable {
    /// Who says it: `assistant`, `user`, `system`, or somebody else.
    public let role: String
    /// Its parts, as the agent sent them: `type` is `text`, `thinking`, `tool_use`, `tool_result`, `image` …
    public let blocks: [JSON]
    /// The text in it, without thoughts and tools.
    public let text: String
    /// Its id, if it has one. The same id never comes twice over one channel.
    public let uuid: String?
    /// When; in histories.
    public let timestamp: Date?
    /// Whatever else came with it.
    public let other: [String: JSON]

    init(_ said: JSON) {
        role = said.string("role")
        blocks = said["blocks"]?.arrayValue ?? []
        text = said.string("text")
        uuid = said["uuid"]?.stringValue
        timestamp = said.moment("timestamp_ms")
        other = said["other"]?.objectValue ?? [:]
    }
}

/// The agent is done.
public struct TurnEnd: Sendable, Hashable {
    /// What it said, without thoughts and tools. Of more than 8 MiB, the beginning.
    public let text: String
    /// The server's account of the turn: costs, duration. `nil` if it came while the connection was lost.
    public let result: JSON?
    /// The agent's id for the conversation, as far as it is known.
    public let conversation: String?
    /// Parts that the reader was too slow for.
    public let missed: Int
    /// Whether the server says that the turn went wrong.
    public let isError: Bool
}

/// A part of what the agent says. The message that follows takes the place of all deltas before it.
public enum TurnPart: Sendable {
    /// More of a message that is on its way: text for people, or else a piece of the JSON that a tool is used with.
    case delta(String, isText: Bool)
    case message(ChannelMessage)
    case end(TurnEnd)
    case other(String)

    @Sendable static func read(_ kind: String, _ said: JSON) throws -> TurnPart {
        switch kind {
        case "delta": return .delta(said.string("content"), isText: said["is_text"]?.boolValue ?? false)
        case "message": return .message(ChannelMessage(said["message"] ?? .null))
        case "end":
            let result = said["result"].flatMap { $0.isNull ? nil : $0 }
            return .end(
                TurnEnd(
                    text: said.string("text"), result: result, conversation: said["conversation"]?.stringValue,
                    missed: Int(said["missed"]?.intValue ?? 0), isError: said["is_error"]?.boolValue ?? false))
        default: return .other(kind)
        }
    }
}

/// What happens on a channel besides turns.
public enum ChannelEvent: Sendable {
    case connected
    /// After a lost connection: the server still has the session, and a turn that was under way goes on.
    case resumed
    /// After a lost connection: the server does not have the session any more.
    case newSession
    /// The agent's own id for the conversation. It is carried from turn to turn.
    case conversation(id: String)
    /// What was said before, oldest first, without what was told already.
    case history([ChannelMessage])
    /// Something that an agent says while no turn of this channel is under way.
    case unasked(TurnPart)
    /// How the server does: `info`, `warning` or `error`.
    case status(level: String, message: String)
    /// A hook was answered; `tooLate` if nobody did in time, so that the policy did.
    case hookAnswered(HookRequest, HookAnswer, tooLate: Bool)
    /// A hook tells, and does not ask.
    case hookNotification(HookRequest)
    /// The history was emptied, by whomever.
    case cleared
    /// An error that belongs to no turn, in the server's words, cut.
    case error(message: String)
    /// An event that could not be read. The channel goes on.
    case unreadable(reason: String)
    /// The connection was lost, or could not be made; the next attempt follows, in so many seconds.
    case disconnected(error: AgentMeshError, retryIn: TimeInterval)
    /// The end: nothing follows.
    case closed(error: AgentMeshError)
    /// The reader was too slow for so many events.
    case lagged(missed: Int)
    /// An event without a type of its own: `stream_event`, `stderr`, `compact_boundary` …
    case other(name: String, data: JSON)

    @Sendable static func read(_ kind: String, _ said: JSON) throws -> ChannelEvent {
        let error = said.error("error") ?? AgentMeshError.internalError("nobody said what")
        let request = HookRequest(said["request"] ?? .null)
        switch kind {
        case "connected": return .connected
        case "resumed": return .resumed
        case "new_session": return .newSession
        case "conversation": return .conversation(id: said.string("id"))
        case "history": return .history((said["messages"]?.arrayValue ?? []).map(ChannelMessage.init))
        case "unasked": return .unasked(try TurnPart.read(said.string("kind"), said["part"] ?? .null))
        case "status": return .status(level: said.string("level"), message: said.string("message"))
        case "hook_answered":
            return .hookAnswered(request, HookAnswer(said["answer"] ?? .null), tooLate: said["too_late"]?.boolValue ?? false)
        case "hook_notification": return .hookNotification(request)
        case "cleared": return .cleared
        case "error": return .error(message: said.string("message"))
        case "unreadable": return .unreadable(reason: said.string("reason"))
        case "disconnected": return .disconnected(error: error, retryIn: said.seconds("retry_in_ms") ?? 0)
        case "closed": return .closed(error: error)
        case "lagged": return .lagged(missed: Int(said["missed"]?.intValue ?? 0))
        default: return .other(name: said["name"]?.stringValue ?? kind, data: said["data"] ?? .null)
        }
    }
}
