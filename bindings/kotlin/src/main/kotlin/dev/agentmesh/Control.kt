package dev.agentmesh

import dev.agentmesh.internal.NativeAgent
import dev.agentmesh.internal.NativeDecision
import kotlinx.serialization.json.jsonPrimitive
import kotlinx.serialization.json.long
import java.time.Instant
import kotlin.time.Duration
import kotlin.time.Duration.Companion.seconds

/** What the owner of an agent can ask and order; a part of [AgentMeshClient]. */
public abstract class Control internal constructor(internal val native: NativeAgent) {
    private inline fun <reified T> read(call: () -> String): T = wire.decodeFromString(native(call))

    /** How far a message of ours is; `null` once it was handled, failed, or was never sent. */
    public suspend fun stage(id: String): Stage? = native { native.stage(id) }?.let { stageOf(it.toInt()) }

    /** Takes a message back that was not delivered. It may arrive all the same if it was sent already. */
    public suspend fun cancel(id: String): Unit = native { native.cancel(id) }

    /** Messages that are not handled yet, oldest first. */
    public suspend fun outbox(): List<OutboxItem> = read { native.outbox() }

    /** Messages that came in and are not handled, oldest first. */
    public suspend fun inbox(): List<InboxItem> = read { native.inbox() }

    /** Streams that have not ended. */
    public suspend fun openStreams(): List<OpenStream> = read { native.openStreams() }

    /** All sessions that have keys, without anything secret. */
    public suspend fun sessions(): List<SessionSummary> = read { native.sessions() }

    /** Ends the session with a peer. The next message to it knocks anew. */
    public suspend fun closeSession(peer: String): Unit = native { native.closeSession(peer) }

    /** Ends every session with a peer and tells it so; what was queued for it is given up. */
    public suspend fun killSession(peer: String): Unit = native { native.killSession(peer) }

    /** Rejects new sessions from now on, also after a restart. Those that exist go on. */
    public suspend fun pauseNew(): Unit = native { native.pauseNew() }

    /** Takes new sessions again; a stopped agent stays stopped. */
    public suspend fun resumeNew(): Unit = native { native.resumeNew() }

    /** Works again, whether paused or stopped. A stopped agent is offline until `connect` is called. */
    public suspend fun resume(): Unit = native { native.resume() }

    /** Ends every session, gives up everything that was queued, goes offline, and stays so over restarts. */
    public suspend fun emergencyStop(): Unit = native { native.emergencyStop() }

    /** Shuts a peer out: nothing is sent to it, what comes from it is dropped unread. Holds over restarts. */
    public suspend fun block(peer: String): Unit = native { native.block(peer) }

    /** Lets a blocked peer in again. */
    public suspend fun unblock(peer: String): Unit = native { native.unblock(peer) }

    /** The circuit breakers as they stand. */
    public suspend fun circuitState(): CircuitStatus {
        val raw = read<RawCircuit> { native.circuitState() }
        return CircuitStatus(
            state = raw.state,
            since = if (raw.since == 0L) null else Instant.ofEpochMilli(raw.since),
            blocked = raw.blocked.associate { (peer, at) ->
                peer.jsonPrimitive.content to Instant.ofEpochMilli(at.jsonPrimitive.long)
            },
        )
    }

    /** KNOCKs without a decision, oldest first. */
    public suspend fun pendingKnocks(): List<PendingKnock> = read { native.pendingKnocks() }

    /** Accepts a KNOCK that waits for a decision, by the session that it asked for. */
    public suspend fun acceptKnock(session: String, ttl: Duration? = null): Unit =
        native { native.decide(session, NativeDecision.Accept(ttl?.wholeSeconds())) }

    /** Rejects a KNOCK that waits for a decision. */
    public suspend fun rejectKnock(session: String, reason: String, retryAfter: Duration? = null): Unit =
        native { native.decide(session, NativeDecision.Reject(reason, retryAfter?.wholeSeconds())) }

    /** The policy in force. */
    public suspend fun policy(): Policy = Policy.parse(native { native.policy() })

    /** Replaces the policy. Sessions that exist go on, but for those with peers that it blocks. */
    public suspend fun setPolicy(policy: Policy): Unit = native { native.setPolicy(policy.toString()) }

    /** How full the limits on sending are. */
    public suspend fun rateStatus(peer: String? = null): RateStatus = read { native.rateStatus(peer) }

    /** Waits until a message to [peer] would pass the limits on sending; `SEND_RATE_LIMITED` if that takes too long. */
    public suspend fun waitForCapacity(peer: String, timeout: Duration = 30.seconds): Unit =
        native { native.waitForCapacity(peer, timeout.ms()) }

    /** Agents in the registry, by capability or all. What it says of them is not proven. */
    public suspend fun search(
        capability: String? = null,
        minTier: String? = null,
        minReputation: Double? = null,
        limit: Long? = null,
        offset: Long? = null,
    ): SearchPage = read { native.search(capability, minTier, minReputation, limit?.toULong(), offset?.toULong()) }

    /** An agent's entry in the registry; its signing key is checked against the AMID. */
    public suspend fun lookup(amid: String): Listing = read { native.lookup(amid) }

    /** Tells the registry what this agent can do. */
    public suspend fun setCapabilities(capabilities: List<String>): Unit = native { native.setCapabilities(capabilities) }

    /** Asks a peer for capabilities and returns what it grants. A wish may have `*` for any characters. */
    public suspend fun negotiate(peer: String, wanted: List<String>, timeout: Duration = 30.seconds): Agreement =
        read { native.negotiate(peer, wanted, timeout.ms()) }

    /** Seals the identity under a passphrase, with what another store needs to go on from here. Neither sessions nor messages are in it. */
    public suspend fun backUp(passphrase: String): String = native { native.backUp(passphrase) }

    /** Replaces the exchange key, with which peers open new sessions. Returns the new public one. */
    public suspend fun rotateExchangeKey(): ByteArray = native { native.rotateExchangeKey() }
}
