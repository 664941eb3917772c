package dev.agentmesh

import dev.agentmesh.internal.errorCodesJson
import dev.agentmesh.internal.panicAtOnceForTests
import dev.agentmesh.internal.panicForTests
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.jsonArray
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.jsonPrimitive
import kotlinx.serialization.json.put
import org.junit.jupiter.api.Test
import java.io.File
import kotlin.io.path.readText
import kotlin.reflect.KVisibility
import kotlin.reflect.full.declaredMembers
import kotlin.reflect.jvm.kotlinFunction
import kotlin.test.assertContentEquals
import kotlin.test.assertEquals
import kotlin.test.assertFalse
import kotlin.test.assertIs
import kotlin.test.assertTrue

class BasicsTest {
    private val codes = Json.parseToJsonElement(errorCodesJson()).jsonArray.map { it.jsonObject }

    @Test
    fun `the codes of errors are those of Rust`() {
        val here = ErrorCodes::class.java.fields.filter { it.type == String::class.java }.map { it.get(null) as String }.toSet()
        val native = codes.map { it.getValue("code").jsonPrimitive.content }
        assertEquals(emptyList(), native.filter { it !in here })
        val documented = Regex("^\\| `([A-Z][A-Z0-9_]*)` \\|", RegexOption.MULTILINE)
            .findAll(source.resolve("docs/errors.md").readText()).map { it.groupValues[1] }
        assertEquals((documented + native.filter { it.startsWith("BINDING_") }).toSortedSet(), here.toSortedSet())
    }

    @Test
    fun `every kind of error has a class of its own`() {
        val kinds = codes.map { it.getValue("kind").jsonPrimitive.content }.distinct()
        val classes = kinds.map { AgentMeshException.of(it, "X", "", false, AgentMeshException.NONE, null)::class }
        assertEquals(kinds.size, classes.distinct().size)
        assertEquals(AgentMeshException::class.sealedSubclasses.toSet(), classes.toSet())
    }

    @Test
    fun `a panic is an internal error, and the process lives`() = test {
        assertEquals("BINDING_PANICKED", failsWith<AgentMeshException.Internal> { native { panicForTests() } }.code)
        assertEquals("BINDING_PANICKED", failsWith<AgentMeshException.Internal> { native { panicAtOnceForTests() } }.code)
    }

    @Test
    fun `nothing that UniFFI made is in the public interface`() {
        val root = File(AgentMeshClient::class.java.protectionDomain.codeSource.location.toURI())
        val names = root.walk().filter { it.extension == "class" }
            .map { it.relativeTo(root).path.removeSuffix(".class").replace('/', '.') }
            .filter { it.startsWith("dev.agentmesh.") && '$' !in it }
            .toList()
        assertTrue(names.any { it.startsWith("dev.agentmesh.internal.") } && "dev.agentmesh.AgentMeshClient" in names)
        val leaks = mutableListOf<String>()
        for (name in names) {
            val java = Class.forName(name, false, javaClass.classLoader)
            val functions = if (java.isAnnotationPresent(Metadata::class.java) && name.endsWith("Kt")) {
                java.declaredMethods.mapNotNull { it.kotlinFunction }
            } else {
                val kotlin = java.kotlin
                if (kotlin.visibility != KVisibility.PUBLIC) continue
                if (name.startsWith("dev.agentmesh.internal.")) leaks += name
                leaks += kotlin.supertypes.map { "$name: $it" }.filter { ".internal." in it }
                kotlin.declaredMembers
            }
            for (member in functions.filter { it.visibility == KVisibility.PUBLIC }) {
                val types = member.parameters.map { it.type } + member.returnType
                leaks += types.filter { ".internal." in it.toString() }.map { "$name.${member.name}: $it" }
            }
        }
        assertEquals(emptyList(), leaks)
    }

    @Test
    fun `identities sign and are restored from backups`() = test {
        val identity = Identity.generate()
        val signature = identity.sign("hello".encodeToByteArray())
        assertTrue(Identity.verify(identity.signingKey, "hello".encodeToByteArray(), signature))
        assertFalse(Identity.verify(identity.signingKey, "hallo".encodeToByteArray(), signature))
        val backup = identity.backUp("correct horse")
        assertEquals(identity.amid, Identity.restore(backup, "correct horse").amid)
        assertEquals(identity.amid, Backup.open(backup, "correct horse").amid)
        val wrong = failsWith<AgentMeshException.Authentication> { Identity.restore(backup, "wrong") }
        assertEquals(ErrorCodes.BACKUP_WRONG_PASSPHRASE, wrong.code)
        val other = Identity.generate()
        assertEquals(
            Identity.safetyNumber(identity.signingKey, other.signingKey),
            Identity.safetyNumber(other.signingKey, identity.signingKey),
        )
        assertFalse(identity.toString().contains("key"))
    }

    @Test
    fun `identities are saved under a path`() = test {
        val store = SealedStore.of(Storage.memory(), ByteArray(32) { 7 })
        assertEquals(ErrorCodes.IDENTITY_NOT_FOUND, failsWith<AgentMeshException.NotFound> { Identity.load(store, "a") }.code)
        val made = Identity.loadOrGenerate(store, "a")
        assertContentEquals(made.signingKey, Identity.load(store, "a").signingKey)
    }

    @Test
    fun `policies judge, and what is not understood is an error`() {
        val sender = Identity.generate().amid
        assertIs<Decision.Accept>(Policy.permissive().evaluate(sender, "weather"))
        assertIs<Decision.Reject>(Policy.verified().evaluate(sender, "weather"))
        assertEquals(ErrorCodes.POLICY_MALFORMED, failsWith<AgentMeshException> { Policy.parse("""{"minTeir":1}""") }.code)
        val stricter = Policy.permissive().with { put("minReputation", 0.5) }
        assertIs<Decision.Reject>(stricter.evaluate(sender, "weather", reputation = 0.1))
    }

    @Test
    fun `settings that cannot be are the caller's mistake`() = test {
        val error = failsWith<AgentMeshException.InvalidInput> {
            AgentMeshClient.create(ClientOptions(Storage.memory(), StoreKey.bytes(ByteArray(3))))
        }
        assertEquals(ErrorCodes.BINDING_ARGUMENT, error.code)
    }

    @Test
    fun `messages travel by the managers alone`() = test {
        suspend fun end(): Triple<Identity, PrekeyManager, SessionManager> {
            val identity = Identity.generate()
            val prekeys = PrekeyManager(identity, SealedStore.of(Storage.memory(), ByteArray(32)))
            return Triple(identity, prekeys, SessionManager(prekeys))
        }
        val (alice, alicePrekeys, aliceSessions) = end()
        val (bob, bobPrekeys, bobSessions) = end()
        alicePrekeys.loadOrInitialize()
        val begun = aliceSessions.initiateSession(bob.amid, bobPrekeys.loadOrInitialize(), bob.signingKey)
        val judged = KnockProtocol(bobSessions, Policy.permissive()).judge(alice.amid, begun.x3dhMessage, "anonymous", 0.0)
        assertIs<Decision.Accept>(judged.decision)
        val session = bobSessions.acceptSession(alice.amid, begun.x3dhMessage)
        val envelope = aliceSessions.encrypt(begun.sessionId, Payload.json("""{"n":1}"""))
        assertEquals(Payload.json("""{"n":1}"""), bobSessions.decrypt(session, envelope))
        assertEquals(alice.amid, bobSessions.sessions().single().peer)
        assertTrue(bobPrekeys.remaining() > 0)
    }
}
