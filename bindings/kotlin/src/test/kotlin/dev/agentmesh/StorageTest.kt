package dev.agentmesh

import dev.agentmesh.testing.StorageConformance
import kotlinx.coroutines.delay
import org.junit.jupiter.api.DynamicTest
import org.junit.jupiter.api.DynamicTest.dynamicTest
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.TestFactory
import java.nio.file.Files
import java.util.Base64
import java.util.concurrent.ConcurrentHashMap
import java.util.concurrent.atomic.AtomicInteger
import kotlin.test.assertEquals
import kotlin.test.assertNull
import kotlin.test.assertTrue
import kotlin.time.Duration.Companion.milliseconds

/** Texts by name, edited as a whole: what Android's SharedPreferences are. */
class Preferences {
    private val values = ConcurrentHashMap<String, String>()

    val all: Map<String, String> get() = values

    operator fun get(name: String): String? = values[name]

    @Synchronized
    fun <T> edit(change: (MutableMap<String, String>) -> T): T = change(values)
}

/** A store over preferences, as an application on Android would write it. */
class PreferencesStore(private val preferences: Preferences, private val closed: () -> Unit = {}) : RecordStore {
    @Volatile private var open = true

    override val location: String get() = "preferences"

    override suspend fun load(ids: List<RecordId>): List<Record?> {
        if (!open) throw StoreException.Closed()
        return ids.map { id -> preferences[name(id)]?.let { read(id, it) } }
    }

    override suspend fun list(kind: String, after: String?, limit: Int): List<Record> {
        if (!open) throw StoreException.Closed()
        val names = preferences.all.keys.filter { it.startsWith("$kind/") }.sorted()
        return names.map { RecordId(kind, it.substringAfter('/')) }
            .filter { after == null || it.key > after }
            .take(limit)
            .mapNotNull { id -> preferences[name(id)]?.let { read(id, it) } }
    }

    override suspend fun commit(changes: List<Change>) {
        if (!open) throw StoreException.Closed()
        preferences.edit { values ->
            for (change in changes) {
                val actual = values[name(change.id)]?.let { read(change.id, it).version } ?: 0
                if (actual != change.expected) throw StoreException.Conflict(change.id, change.expected, actual)
            }
            for (change in changes) {
                val value = change.value
                if (value == null) values.remove(name(change.id))
                else values[name(change.id)] = "${change.version}:${Base64.getEncoder().encodeToString(value)}"
            }
        }
    }

    override suspend fun close() {
        if (open) closed()
        open = false
    }

    private fun name(id: RecordId) = "${id.kind}/${id.key}"

    private fun read(id: RecordId, text: String) =
        Record(id, text.substringBefore(':').toLong(), Base64.getDecoder().decode(text.substringAfter(':')))
}

class StorageTest {
    @TestFactory
    fun `a store over preferences keeps the contract`(): List<DynamicTest> = StorageConformance.tests.map { name ->
        dynamicTest(name) {
            test {
                val preferences = Preferences()
                assertNull(StorageConformance.run(name) { PreferencesStore(preferences) })
            }
        }
    }

    @Test
    fun `the suite finds what is wrong`() = test {
        val forgets = object : RecordStore by PreferencesStore(Preferences()) {
            override suspend fun commit(changes: List<Change>) = Unit
        }
        assertTrue(StorageConformance.run("reads_what_was_committed") { forgets } != null)
    }

    @Test
    fun `agents live in every storage, and the same one is opened again`() = test {
        val directory = Files.createTempDirectory("agentmesh-stores")
        val preferences = Preferences()
        val key = StoreKey.bytes(ByteArray(32) { 1 })
        val storages: List<() -> Storage> = listOf(
            { Storage.sqlite("$directory/a.db") },
            { Storage.directory("$directory/files") },
            { Storage.url("sqlite:$directory/b.db") },
            { Storage.of(PreferencesStore(preferences)) },
        )
        for (storage in storages) {
            val made = agent(storage(), key, online = false)
            made.shutdown()
            val again = AgentMeshClient.load(ClientOptions(storage(), key, offline = true))
            assertEquals(made.amid, again.amid)
            again.shutdown()
        }
        assertTrue(preferences.all.isNotEmpty())
        val nobody = failsWith<AgentMeshException> { AgentMeshClient.load(ClientOptions(Storage.memory(), key, offline = true)) }
        assertEquals(ErrorCodes.AGENT_NO_IDENTITY, nobody.code)
    }

    @Test
    fun `what a store throws is an error of the storage`() = test {
        val full = object : RecordStore by PreferencesStore(Preferences()) {
            override suspend fun commit(changes: List<Change>): Unit = throw StoreException.Full()
        }
        val error = failsWith<AgentMeshException.Storage> { agent(Storage.of(full), online = false) }
        assertEquals(ErrorCodes.STORAGE_FULL, error.code)
    }

    @Test
    fun `a client that is forgotten is given back, with its store`() = test {
        val closed = AtomicInteger()
        suspend fun forgotten() {
            agent(Storage.of(PreferencesStore(Preferences()) { closed.incrementAndGet() }), online = false, onKnock = { Decision.Later }).amid
        }
        forgotten()
        // Its end and that of its store may each close it: called again, close does nothing.
        while (closed.get() == 0) {
            System.gc()
            delay(20.milliseconds)
        }
    }
}
