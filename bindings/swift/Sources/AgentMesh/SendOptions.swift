import Foundation

/// What is said about a message or a request besides its payload. Everything has a default.
public struct SendOptions: Sendable, Hashable {
    /// The message's id, from ``AgentMeshClient/newID()``; makes sending it again after a crash harmless.
    public var id: String?
    /// What the session is wanted for, should this message open one.
    public var knock: KnockRequest?
    /// How the session is to be used, should this message open one.
    public var sessionType: SessionType?
    /// The schema that the payload follows.
    public var schema: String?
    /// A W3C `traceparent`, sealed into the message.
    public var trace: String?
    /// How long the session is to live that this message may open, in seconds.
    public var sessionTTL: TimeInterval?
    /// When to give up, in seconds. Not for requests and streams.
    public var expiresIn: TimeInterval?

    public init(
        id: String? = nil, knock: KnockRequest? = nil, sessionType: SessionType? = nil, schema: String? = nil, trace: String? = nil,
        sessionTTL: TimeInterval? = nil, expiresIn: TimeInterval? = nil
    ) {
        self.id = id
        self.knock = knock
        self.sessionType = sessionType
        self.schema = schema
        self.trace = trace
        self.sessionTTL = sessionTTL
        self.expiresIn = expiresIn
    }

    func members() throws -> [String: JSON?] {
        [
            "id": JSON(id), "knock": try knock?.json(), "session_type": JSON(sessionType?.rawValue), "schema": JSON(schema),
            "trace": JSON(trace), "session_ttl_ms": try Coding.span(sessionTTL), "expires_in_ms": try Coding.span(expiresIn),
        ]
    }
}

/// How a stream is asked for. Everything has a default.
public struct StreamOptions: Sendable, Hashable {
    /// What holds for every message.
    public var message: SendOptions
    /// Reading fails when nothing came for this long; the stream can be resumed. Default: a minute.
    public var idleTimeout: TimeInterval?
    /// Frames that may be on their way or here, unconsumed.
    public var windowFrames: Int?
    /// Bytes of them.
    public var windowBytes: Int?
    /// Whether chunks count as consumed only when ``IncomingStream/ack(_:)`` says so.
    public var manualAck: Bool

    public init(
        message: SendOptions = SendOptions(), idleTimeout: TimeInterval? = nil, windowFrames: Int? = nil, windowBytes: Int? = nil,
        manualAck: Bool = false
    ) {
        self.message = message
        self.idleTimeout = idleTimeout
        self.windowFrames = windowFrames
        self.windowBytes = windowBytes
        self.manualAck = manualAck
    }

    func settings() throws -> String? {
        var members = try message.members()
        members["idle_timeout_ms"] = try Coding.span(idleTimeout)
        members["window_frames"] = JSON(windowFrames)
        members["window_bytes"] = JSON(windowBytes)
        if manualAck { members["manual_ack"] = true }
        return try Coding.settings(members)
    }
}
