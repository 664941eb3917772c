package dev.agentmesh.services

import dev.agentmesh.internal.NativeChannelKey
import dev.agentmesh.internal.NativeHooks
import dev.agentmesh.internal.NativeSandboxSetup
import dev.agentmesh.internal.NativeUserDataChannel
import dev.agentmesh.internal.NativeUserDataClient
import dev.agentmesh.internal.openUserDataChannel
import dev.agentmesh.millis
import dev.agentmesh.native
import dev.agentmesh.settings
import dev.agentmesh.span
import dev.agentmesh.wire
import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.SupervisorJob
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.buildJsonObject
import kotlinx.serialization.json.jsonArray
import kotlinx.serialization.json.put
import kotlin.time.Duration

/** How to reach a user data service. */
public class UserDataOptions(
    /** The service's base URL. */
    public val baseUrl: String,
    /** The client's key. */
    public val apiKey: String? = null,
    /** Whether `http` may reach other machines. */
    public val allowInsecure: Boolean = false,
    /** For one try of most requests. */
    public val requestTimeout: Duration? = null,
    /** Of [UserDataClient.setup] and [UserDataClient.destroySandbox]. */
    public val setupTimeout: Duration? = null,
    /** Of what is stored. */
    public val uploadTimeout: Duration? = null,
    /** The pauses before a request is sent again; empty to send everything once. */
    public val retryPauses: List<Duration>? = null,
) {
    internal fun json(): String = buildJsonObject {
        put("base_url", baseUrl)
        put("allow_insecure", allowInsecure)
        span("request_timeout_ms", requestTimeout)
        span("setup_timeout_ms", setupTimeout)
        span("upload_timeout_ms", uploadTimeout)
        retryPauses?.let { put("retry_pauses_ms", JsonArray(it.map { pause -> JsonPrimitive(pause.millis()) })) }
    }.toString()
}

/** A sandbox that is ready. */
public class SandboxSetup internal constructor(setup: NativeSandboxSetup) {
    /** Everything but the token, as the service says it. */
    public val answer: JsonObject = parsed(setup.answer)

    /** What opens the channel of the session, of servers that issue it. Secret. */
    public val sessionToken: String? = setup.sessionToken
}

/** Skills, conversations and settings of users, and the sandboxes of their agents. Answers are as the service says them. */
public class UserDataClient(options: UserDataOptions) {
    internal val native = native { NativeUserDataClient(options.json(), options.apiKey) }

    private inline fun read(call: () -> String): JsonElement = wire.parseToJsonElement(native(call))

    /** Stores a skill, over one of the same name. */
    public suspend fun putSkill(user: String, name: String, content: String): JsonElement = read { native.putSkill(user, name, content) }

    /** The names of all skills of a user. */
    public suspend fun listSkills(user: String): JsonElement = read { native.listSkills(user) }

    /** A skill. */
    public suspend fun skill(user: String, name: String): JsonElement = read { native.skill(user, name) }

    /** Deletes a skill. */
    public suspend fun deleteSkill(user: String, name: String): JsonElement = read { native.deleteSkill(user, name) }

    /** Stores a conversation: any object with a `conversationId`. */
    public suspend fun saveConversation(user: String, conversation: JsonObject): JsonElement =
        read { native.saveConversation(user, conversation.toString()) }

    /** A conversation as it was saved. */
    public suspend fun conversation(user: String, id: String): JsonElement = read { native.conversation(user, id) }

    /** All conversations of a user, without their contents. */
    public suspend fun listConversations(user: String): JsonElement = read { native.listConversations(user) }

    /** Deletes a conversation. */
    public suspend fun deleteConversation(user: String, id: String): JsonElement = read { native.deleteConversation(user, id) }

    /** Stores settings. */
    public suspend fun putSettings(user: String, name: String, settings: JsonObject): JsonElement =
        read { native.putSettings(user, name, settings.toString()) }

    /** Settings. */
    public suspend fun settings(user: String, name: String): JsonElement = read { native.settings(user, name) }

    /** Deletes settings. */
    public suspend fun deleteSettings(user: String, name: String): JsonElement = read { native.deleteSettings(user, name) }

    /** Makes a sandbox ready for a session and loads the user's skills into it. */
    public suspend fun setup(session: String, user: String? = null): SandboxSetup = SandboxSetup(native { native.setup(session, user) })

    /** Throws a session's sandbox away. */
    public suspend fun destroySandbox(session: String): Unit = native { native.destroySandbox(session) }

    /** What the server says of itself. */
    public suspend fun health(): JsonElement = read { native.health() }
}

/** A hook of an agent that wants an answer: whether it may use a tool, for example. */
public class Hook internal constructor(
    /** Which hook. */
    public val event: String,
    /** What it is about. */
    public val data: JsonElement,
    /** The tool that it is about. */
    public val toolName: String?,
)

/** What is decided about a hook: `continue`, `approve` or `deny`, and why, for the agent. */
public class HookAnswer private constructor(internal val action: String, internal val reason: String?) {
    public companion object {
        /** As the agent would without asking. */
        public fun proceed(reason: String? = null): HookAnswer = HookAnswer("continue", reason)

        /** It may. */
        public fun approve(reason: String? = null): HookAnswer = HookAnswer("approve", reason)

        /** It may not. */
        public fun deny(reason: String? = null): HookAnswer = HookAnswer("deny", reason)
    }
}

/** How to open a channel. */
public class ChannelOptions(
    /** The session. */
    public val session: String,
    /** Whose skills its sandbox gets. */
    public val user: String? = null,
    /** Opens it without a setup. */
    public val withoutSetup: Boolean = false,
    /** What the channel is opened with; `null` for the token that the setup issued. */
    public val token: String? = null,
    /** Opens it with the client's key. */
    public val withApiKey: Boolean = false,
    /** Tools that need not be asked for. */
    public val tools: List<String> = emptyList(),
    /** For the answer to a question. */
    public val callTimeout: Duration? = null,
    /** A turn without a sign of the agent for so long is given up. */
    public val turnTimeout: Duration? = null,
    /** Decides about hooks; one that throws leaves it to the policy. */
    public val onHook: (suspend (Hook) -> HookAnswer)? = null,
) {
    internal fun json(): String = buildJsonObject {
        put("session", session)
        user?.let { put("user", it) }
        put("without_setup", withoutSetup)
        put("tools", if (tools.isEmpty()) JsonPrimitive("none") else buildJsonObject { put("some", JsonArray(tools.map(::JsonPrimitive))) })
        span("call_timeout_ms", callTimeout)
        span("turn_timeout_ms", turnTimeout)
    }.toString()

    internal fun key(): NativeChannelKey = when {
        withApiKey -> NativeChannelKey.ApiKey
        token != null -> NativeChannelKey.Token(token)
        else -> NativeChannelKey.SessionToken
    }
}

/** How the agent is to work; what is `null` the server decides. */
public class TurnOptions(
    /** Turns of the agent with its model. */
    public val maxTurns: Int? = null,
    /** Which model. */
    public val model: String? = null,
    /** What the model is told first. */
    public val systemPrompt: String? = null,
    /** Begins a new conversation. */
    public val newConversation: Boolean = false,
    /** A conversation that is known from elsewhere. */
    public val resume: String? = null,
) {
    internal fun json(): String? = settings {
        maxTurns?.let { put("max_turns", it) }
        model?.let { put("model", it) }
        systemPrompt?.let { put("system_prompt", it) }
        if (newConversation) put("new_conversation", true)
        resume?.let { put("resume", it) }
    }
}

/** A conversation with the agent of a session. */
public class UserDataChannel private constructor(private val native: NativeUserDataChannel) : AutoCloseable {
    /** The agent's id for the conversation, once it is known. */
    public val conversation: String? get() = native { native.conversation() }

    /** Whether there is a connection now. */
    public val isConnected: Boolean get() = native { native.isConnected() }

    /** What the setup answered, if there was one. */
    public val setup: SandboxSetup? get() = native { native.setup() }?.let(::SandboxSetup)

    /** Says something; what the agent answers comes piece by piece: `delta`, `message`, `end`. Each collector says it anew. */
    public fun send(prompt: String, options: TurnOptions? = null): Flow<ServiceEvent> = events { native.send(prompt, options?.json()) }

    /** Starts the agent before anything is said. */
    public suspend fun start(options: TurnOptions? = null): Unit = native { native.start(options?.json()) }

    /** Interrupts what the agent does. */
    public suspend fun interrupt(reason: String? = null): Unit = native { native.interrupt(reason) }

    /** What was said in this session. */
    public suspend fun history(): JsonArray = wire.parseToJsonElement(native { native.history() }).jsonArray

    /** Interrupts the agent and empties the session's history. */
    public suspend fun clear(): Unit = native { native.clear() }

    /** What the server knows of the session, as it says it. */
    public suspend fun diagnostics(): JsonObject = parsed(native { native.diagnostics() })

    /** Stores the session's history as a conversation of a user. */
    public suspend fun save(user: String, conversation: String): JsonElement =
        wire.parseToJsonElement(native { native.save(user, conversation) })

    /** What happens besides turns. The first to collect gets everything since the start. */
    public fun events(): Flow<ServiceEvent> = events { native.events() }

    /** Gives up what is under way and takes leave, in at most three seconds. Again is fine. */
    public suspend fun shutdown(): Unit = native { native.shutDown() }

    /** [shutdown], for `use {}`: blocks the thread. */
    override fun close(): Unit = runBlocking { shutdown() }

    public companion object {
        /** End with the channels: it is the library that ends their queues. */
        private val handlers = CoroutineScope(SupervisorJob() + Dispatchers.Default)

        /** Makes the sandbox ready and opens the channel. */
        public suspend fun open(client: UserDataClient, options: ChannelOptions): UserDataChannel {
            val hooks = options.onHook?.let { native { NativeHooks() } }
            val channel = native { openUserDataChannel(client.native, options.json(), options.key(), hooks) }
            if (hooks != null) answerHooks(hooks, options.onHook)
            return UserDataChannel(channel)
        }

        private fun answerHooks(hooks: NativeHooks, decide: suspend (Hook) -> HookAnswer) {
            handlers.launch {
                while (true) {
                    val asked = native { hooks.next() } ?: break
                    launch {
                        try {
                            val hook = Hook(asked.event(), wire.parseToJsonElement(asked.data()), asked.toolName())
                            val answer = decide(hook)
                            native { asked.answer(answer.action, answer.reason) }
                        } catch (cancelled: CancellationException) {
                            throw cancelled
                        } catch (_: Exception) {
                            // Unanswered, it is left to the policy.
                        }
                    }.invokeOnCompletion { asked.destroy() }
                }
            }.invokeOnCompletion { hooks.destroy() }
        }
    }
}
