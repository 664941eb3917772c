import Foundation

/// What the agent asks.
public struct HookRequest: Sendable, Hashable {
    /// Which hook: `PreToolUse`, `Notification`, `UserPromptSubmit`, `Stop`, or something else.
    public let event: String
    /// What it is about.
    public let data: JSON
    /// The tool that it is about.
    public let toolName: String?

    init(_ said: JSON) {
        event = said.string("event")
        data = said["data"] ?? .null
        toolName = said["tool_name"]?.stringValue
    }

    init(event: String, data: JSON, toolName: String?) {
        self.event = event
        self.data = data
        self.toolName = toolName
    }
}

/// What to do about a hook.
public enum HookAnswer: Sendable, Hashable {
    /// Goes on as if nobody had been asked.
    case `continue`
    case approve
    /// `reason` is for the agent, cut after a thousand characters.
    case deny(reason: String? = nil)

    init(_ said: JSON) {
        switch said.string("action") {
        case "approve": self = .approve
        case "deny": self = .deny(reason: said["reason"]?.stringValue)
        default: self = .continue
        }
    }
}

/// Answers hooks within 30 seconds; `nil` leaves it to the policy.
public typealias HookHandler = @Sendable (HookRequest) async throws -> HookAnswer?

/// How hooks are answered: every one, at once or within 30 seconds, so that the agent never waits for nobody. By default everything goes on
/// but the use of tools, which is denied: a program that was not told which tools an agent may use has not allowed any.
public struct HookPolicy: Sendable {
    /// Which tools need not be asked for.
    public enum Tools: Sendable, Hashable {
        case all
        case some([String])
    }

    /// Tools that need not be asked for.
    public let tools: Tools
    /// Is asked first. What it leaves open, or does not answer in time, is decided by ``tools``.
    public let handler: HookHandler?

    public init(tools: Tools = .some([]), handler: HookHandler? = nil) {
        self.tools = tools
        self.handler = handler
    }

    /// Lets these tools be used, and no others; asks `ask` first.
    public static func allowTools(_ names: [String], ask: HookHandler? = nil) -> HookPolicy {
        HookPolicy(tools: .some(names), handler: ask)
    }

    /// Lets every tool be used; asks `ask` first.
    public static func allowAllTools(ask: HookHandler? = nil) -> HookPolicy { HookPolicy(tools: .all, handler: ask) }

    /// Asks a handler; what it leaves open is denied if it is the use of a tool.
    public static func ask(_ handler: @escaping HookHandler) -> HookPolicy { HookPolicy(handler: handler) }

    var json: JSON {
        switch tools {
        case .all: return "all"
        case .some(let names): return ["some": .array(names.map(JSON.string))]
        }
    }
}

/// Asks the handler, until the channel ends, which is what ends the queue.
func answerHooks(_ hooks: NativeHooks, _ handler: @escaping HookHandler) {
    Task {
        while let hook = try? await hooks.next() {
            Task {
                let data = (try? JSON(text: hook.data())) ?? .null
                do {
                    switch try await handler(HookRequest(event: hook.event(), data: data, toolName: hook.toolName())) {
                    case .continue: try hook.answer(action: "continue", reason: nil)
                    case .approve: try hook.answer(action: "approve", reason: nil)
                    case .deny(let reason): try hook.answer(action: "deny", reason: reason)
                    // Forgotten without an answer, the policy decides.
                    case nil: break
                    }
                } catch {
                    Log.report("the handler of hooks failed; left to the policy", error)
                }
            }
        }
    }
}
