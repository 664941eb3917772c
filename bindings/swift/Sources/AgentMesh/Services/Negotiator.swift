import Foundation

/// What to do with the peer connection, in this order, one after the other.
public enum NegotiatorAction: Sendable, Equatable {
    /// Make the data channel: ordered, reliable, not negotiated.
    case createChannel(label: String)
    /// Make an offer, set it as the local description, and say ``Negotiator/created(kind:sdp:)``.
    case createOffer(iceRestart: Bool)
    /// Make an answer, set it, and say ``Negotiator/created(kind:sdp:)``.
    case createAnswer
    /// Take the local offer back. A library that cannot closes the peer connection and builds a new one.
    case rollback
    /// Close the peer connection and build a new one.
    case rebuild
    /// Set the peer's description: `offer`, `answer`, `pranswer` or `rollback`.
    case setRemote(kind: String, sdp: String)
    /// Add a candidate of the peer's. An error is no reason to stop.
    case addCandidate(IceCandidate)
    /// Send this to the peer: ``SignalingClient/send(to:_:)-(_,JSON)``.
    case send(signal: JSON)
    /// It is over: close the peer connection. Nothing follows.
    case close
    /// Something that this version knows nothing of.
    case other(String)

    @Sendable static func read(_ kind: String, _ said: JSON) -> NegotiatorAction {
        switch kind {
        case "create_channel": return .createChannel(label: said.string("label"))
        case "create_offer": return .createOffer(iceRestart: said["ice_restart"]?.boolValue ?? false)
        case "create_answer": return .createAnswer
        case "rollback": return .rollback
        case "rebuild": return .rebuild
        case "set_remote": return .setRemote(kind: said.string("kind"), sdp: said.string("sdp"))
        case "add_candidate":
            return .addCandidate(
                IceCandidate(
                    candidate: said.string("candidate"), sdpMid: said["sdp_mid"]?.stringValue,
                    sdpMLineIndex: said["sdp_m_line_index"]?.intValue.map(Int.init),
                    usernameFragment: said["username_fragment"]?.stringValue))
        case "send": return .send(signal: said["signal"] ?? .null)
        case "close": return .close
        default: return .other(kind)
        }
    }
}

/// An ICE candidate.
public struct IceCandidate: Sendable, Hashable {
    public var candidate: String
    public var sdpMid: String?
    public var sdpMLineIndex: Int?
    public var usernameFragment: String?

    public init(candidate: String, sdpMid: String? = nil, sdpMLineIndex: Int? = nil, usernameFragment: String? = nil) {
        self.candidate = candidate
        self.sdpMid = sdpMid
        self.sdpMLineIndex = sdpMLineIndex
        self.usernameFragment = usernameFragment
    }
}

/// Negotiates with one peer, without any WebRTC stack: tell it what happens, and perform the ``actions()`` on a peer connection.
///
/// The newcomer offers to everybody in its first roster. If both offer at once, the smaller id takes its own offer back. Candidates wait
/// for their description. When a connection fails, ICE is restarted, and then the connection built anew.
public final class Negotiator: @unchecked Sendable {
    private let native: NativeNegotiator

    /// `local` and `remote` are ids in the room; `offers` if the peer was in this client's first roster. `mode` is the connection mode of
    /// its offers, such as `lan`: host candidates and no ICE servers.
    public init(local: String, remote: String, offers: Bool, mode: String? = nil) {
        native = NativeNegotiator(local: local, remote: remote, offers: offers, mode: mode)
    }

    private func handle(_ input: [String: JSON]) throws {
        let text = JSON.object(input).text
        try now { try native.handle(input: text) }
    }

    /// A signal of the peer's. `false` if it is none of WebRTC's, but the application's own.
    public func received(_ signal: JSON) throws -> Bool {
        let text = signal.text
        return try now { try native.received(signal: text) }
    }

    /// The description that `createOffer` or `createAnswer` asked for. It is set as the local one already.
    public func created(kind: String, sdp: String) throws {
        try handle(["type": "created", "kind": .string(kind), "sdp": .string(sdp)])
    }

    /// A candidate of this side, for the peer. The one without text, the last, is not sent.
    public func gathered(_ candidate: IceCandidate) throws {
        try handle([
            "type": "gathered", "candidate": .string(candidate.candidate), "sdp_mid": JSON(candidate.sdpMid) ?? .null,
            "sdp_m_line_index": JSON(candidate.sdpMLineIndex) ?? .null, "username_fragment": JSON(candidate.usernameFragment) ?? .null,
        ])
    }

    /// The application changed something that has to be negotiated.
    public func negotiationNeeded() throws { try handle(["type": "negotiation_needed"]) }
    /// The ICE transport changed: `checking`, `connected`, `completed`, `disconnected`, `failed` and so on.
    public func ice(_ state: String) throws { try handle(["type": "ice", "state": .string(state)]) }
    /// The peer left the room. A connection that stands stays.
    public func left() throws { try handle(["type": "left"]) }
    /// It is in the room, for the first time or again.
    public func back() throws { try handle(["type": "back"]) }
    /// Does whatever is due now.
    public func tick() { native.tick() }
    /// Seconds until ``tick()`` is due; `nil` if nothing is.
    public var nextWake: TimeInterval? { native.nextWake().map { TimeInterval($0) / 1000 } }

    /// What there is to do. Performing some of it makes more: ask again until there is none.
    public func actions() throws -> [NegotiatorAction] {
        try native.takeActions().map { .read($0.kind, try JSON(text: $0.details)) }
    }

    /// Whether this side gives way.
    public var isPolite: Bool { native.isPolite() }
    /// Whether it is over.
    public var isClosed: Bool { native.isClosed() }
}
