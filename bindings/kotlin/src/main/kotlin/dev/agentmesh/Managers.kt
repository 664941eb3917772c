package dev.agentmesh

import dev.agentmesh.internal.NativeKnockProtocol
import dev.agentmesh.internal.NativePrekeyManager
import dev.agentmesh.internal.NativeSessionManager

/**
 * The prekeys of an identity, for applications that move bytes themselves. Bundles are JSON, to be published wherever peers look.
 */
public class PrekeyManager(identity: Identity, store: SealedStore) {
    internal val native: NativePrekeyManager = native { NativePrekeyManager(identity.native, store.native) }

    /** The bundle to publish. Makes the first prekeys if there are none. */
    public suspend fun loadOrInitialize(): String = native { native.loadOrInitialize() }

    /** Adds one-time prekeys; the bundle with all of them. */
    public suspend fun replenishOneTimePrekeys(number: Int): String = native { native.replenishOneTimePrekeys(number.toUInt()) }

    /** Replaces the signed prekey; the bundle with the new one. */
    public suspend fun rotateSignedPrekey(): String = native { native.rotateSignedPrekey() }

    /** The bundle as it is. */
    public suspend fun bundle(): String = native { native.bundle() }

    /** One-time prekeys that are left. */
    public suspend fun remaining(): Int = native { native.remaining() }.toInt()

    /** Whether it is time to add some. */
    public suspend fun needsReplenishment(): Boolean = native { native.needsReplenishment() }
}

/** A session that was opened, and what the peer needs to open its end. */
public class InitiatedSession internal constructor(
    /** The session. */
    public val sessionId: String,
    /** For the peer, as JSON. */
    public val x3dhMessage: String,
)

/** A message that was decrypted, of whatever type. */
public class OpenedEnvelope internal constructor(
    /** Who sent it. */
    public val sender: String,
    /** Its id. */
    public val id: String?,
    /** What kind of message it is. */
    public val kind: String,
    /** The message that it answers. */
    public val inReplyTo: String?,
    /** What it says. */
    public val payload: Payload,
)

/** The sessions of one identity. Envelopes and X3DH messages are JSON, to be carried by whatever the application has. */
public class SessionManager(prekeys: PrekeyManager, allowLegacy: Boolean = false) {
    internal val native: NativeSessionManager = native { NativeSessionManager(prekeys.native, allowLegacy) }

    /** Opens a session with a peer whose bundle and key came from wherever you trust. */
    public suspend fun initiateSession(peer: String, bundle: String, signingKey: ByteArray, request: KnockRequest? = null): InitiatedSession =
        native { native.initiateSession(peer, bundle, signingKey, request?.json()?.toString()) }
            .let { InitiatedSession(it.sessionId, it.x3dhMessage) }

    /** Opens our end of a session that a peer initiated; the session. */
    public suspend fun acceptSession(peer: String, x3dhMessage: String): String = native { native.acceptSession(peer, x3dhMessage) }

    /** Hands the initiator the responder's ratchet key; only 0.2 needs it. */
    public suspend fun activateSession(session: String, key: ByteArray): Unit = native { native.activateSession(session, key) }

    /** The public half of our current ratchet key. */
    public suspend fun ratchetPublicKey(session: String): ByteArray? = native { native.ratchetPublicKey(session) }

    /** Encrypts; the envelope, as JSON. */
    public suspend fun encrypt(session: String, payload: Payload): String = native { native.encrypt(session, payload.native()) }

    /** Decrypts a message of the application, which is JSON. */
    public suspend fun decrypt(session: String, envelope: String): Payload = Payload.json(native { native.decrypt(session, envelope) })

    /** Decrypts a message of whatever type. */
    public suspend fun open(session: String, envelope: String): OpenedEnvelope = native { native.open(session, envelope) }
        .let { OpenedEnvelope(it.sender, it.id, it.kind, it.inReplyTo, Payload.of(it.payload)) }

    /** All sessions. */
    public suspend fun sessions(): List<SessionSummary> = wire.decodeFromString(native { native.sessions() })

    /** The session in which messages to a peer go. */
    public suspend fun sessionByPeer(peer: String): SessionSummary? =
        native { native.sessionByPeer(peer) }?.let { wire.decodeFromString(it) }

    /** Ends a session here. */
    public suspend fun closeSession(session: String): Unit = native { native.closeSession(session) }

    /** Deletes what has served; how many records. */
    public suspend fun maintain(): Int = native { native.maintain() }.toInt()
}

/** A KNOCK that was believed, and what the policy says of it. */
public class JudgedKnock internal constructor(
    /** Who knocks, and what for. */
    public val knock: Knock,
    /** What the policy says. */
    public val decision: Decision,
)

/** What answering a KNOCK came to. */
public class AnsweredKnock internal constructor(
    /** The session. */
    public val sessionId: String,
    /** For the one who knocked, as JSON. */
    public val envelope: String,
)

/** KNOCKs and their answers, for the sessions of a manager. */
public class KnockProtocol(sessions: SessionManager, policy: Policy) {
    private val native: NativeKnockProtocol = native { NativeKnockProtocol(sessions.native, policy.toString()) }

    /** Believes a KNOCK, changes nothing, and asks the policy about it, with what the registry says of the peer. */
    public suspend fun judge(peer: String, x3dhMessage: String, tier: String, reputation: Double): JudgedKnock =
        native { native.judge(peer, x3dhMessage, tier, reputation) }
            .let { JudgedKnock(wire.decodeFromString(it.knock), Decision.of(it.decision)) }

    /** Answers a KNOCK: the session, and the envelope for the one who knocked. */
    public suspend fun answer(peer: String, x3dhMessage: String, decision: Decision): AnsweredKnock =
        native { native.answer(peer, x3dhMessage, decision.native()) }.let { AnsweredKnock(it.sessionId, it.envelope) }

    /** Believes the answer to a KNOCK of ours. */
    public suspend fun verifyAnswer(session: String, envelope: String): Decision =
        Decision.of(native { native.verifyAnswer(session, envelope) })
}
