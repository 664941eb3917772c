package dev.agentmesh

import dev.agentmesh.internal.evaluatePolicy
import dev.agentmesh.internal.normalizePolicy
import dev.agentmesh.internal.policyPreset
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonObjectBuilder
import kotlinx.serialization.json.buildJsonObject
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.put
import kotlin.time.Duration

/**
 * Rules by which KNOCKs are accepted or rejected, as a policy file has them. What is left out takes the default, and what is not
 * understood is an error (`POLICY_MALFORMED`): a misspelt block list would otherwise be none.
 */
public class Policy private constructor(private val text: String) {
    /** Every rule, in camelCase. */
    public val rules: JsonObject get() = wire.parseToJsonElement(text).jsonObject

    /** The same with other rules. */
    public fun with(build: JsonObjectBuilder.() -> Unit): Policy = of(JsonObject(rules + buildJsonObject(build)))

    /** What the policy says of a KNOCK. Has no side effects. */
    public fun evaluate(
        sender: String,
        capability: String,
        tier: String? = null,
        reputation: Double = 0.0,
        sessionType: SessionType? = null,
        ttl: Duration? = null,
        sessions: Int = 0,
    ): Decision {
        val knock = buildJsonObject {
            put("sender", sender)
            put("capability", capability)
            tier?.let { put("tier", it) }
            put("reputation", reputation)
            sessionType?.let { put("session_type", it.wireName) }
            ttl?.let { put("ttl_s", it.wholeSeconds().toLong()) }
            put("sessions", sessions)
        }
        return Decision.of(native { evaluatePolicy(text, knock.toString()) })
    }

    /** As a policy file has it. */
    override fun toString(): String = text

    override fun equals(other: Any?): Boolean = other is Policy && rules == other.rules

    override fun hashCode(): Int = rules.hashCode()

    public companion object {
        /** Anybody, for sessions of at most five minutes; the handler of the application is asked. */
        public fun default(): Policy = preset("default")

        /** Anybody, without asking the handler. */
        public fun permissive(): Policy = preset("permissive")

        /** Verified agents and organizations of a reputation of 0.5 and more. What agents have unless they say otherwise. */
        public fun verified(): Policy = preset("verified")

        /** Organizations of a reputation of 0.7 and more. */
        public fun organization(): Policy = preset("organization")

        /** Reads a policy as a file has it. */
        public fun parse(json: String): Policy = Policy(native { normalizePolicy(json) })

        /** Rules, in either spelling. */
        public fun of(rules: JsonObject): Policy = parse(rules.toString())

        private fun preset(name: String) = Policy(native { policyPreset(name) })
    }
}
