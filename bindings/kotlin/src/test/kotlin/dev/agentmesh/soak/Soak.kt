package dev.agentmesh.soak

import dev.agentmesh.AgentMeshClient
import dev.agentmesh.ClientOptions
import dev.agentmesh.Identity
import dev.agentmesh.Payload
import dev.agentmesh.PrekeyManager
import dev.agentmesh.SealedStore
import dev.agentmesh.SessionManager
import dev.agentmesh.Storage
import dev.agentmesh.StoreKey
import kotlinx.coroutines.CoroutineStart
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.flow.collect
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.yield
import java.nio.file.Files
import java.nio.file.Path

/** Bytes of this process in memory, after a collection. */
fun residentBytes(): Long {
    System.gc()
    System.gc()
    val line = Files.readAllLines(Path.of("/proc/self/status")).first { it.startsWith("VmRSS:") }
    return line.filter(Char::isDigit).toLong() * 1024
}

/**
 * Does something [times] times; the bytes that one time added in the second half. While the JVM compiles what runs, that is what it
 * compiled: to measure, run it with `-Xint`, as `scripts/soak.sh` does.
 */
suspend fun slope(times: Int, body: suspend (Int) -> Unit): Double {
    val before = residentBytes()
    repeat(times / 2) { body(it) }
    val half = residentBytes()
    repeat(times / 2) { body(it) }
    val after = residentBytes()
    val added = (after - half).toDouble() / (times / 2)
    println("RSS %.1f, %.1f, %.1f MiB: %.1f bytes a time".format(before / MIB, half / MIB, after / MIB, added))
    return added
}

private const val MIB = 1048576.0

/** Calls of several kinds: what crosses, what is made and dropped, what computes. */
suspend fun calls(times: Int): Double = coroutineScope {
    val client = AgentMeshClient.create(ClientOptions(Storage.memory(), StoreKey.random(), offline = true))
    val (alice, bob) = Identity.generate() to Identity.generate()
    suspend fun manager(identity: Identity) = PrekeyManager(identity, SealedStore.of(Storage.memory(), ByteArray(32)))
    val prekeys = manager(alice).also { it.loadOrInitialize() }
    val sessions = SessionManager(prekeys)
    val begun = sessions.initiateSession(bob.amid, manager(bob).loadOrInitialize(), bob.signingKey)
    slope(times) { number ->
        when (number % 4) {
            0 -> client.sessions()
            1 -> sessions.encrypt(begun.sessionId, Payload.of(number))
            2 -> check(Identity.verify(alice.signingKey, ByteArray(8), alice.sign(ByteArray(8))))
            else -> check(client.stage(client.newId()) == null)
        }
    }.also { client.shutdown() }
}

/** Operations that wait and are cancelled. */
suspend fun cancelled(times: Int): Double = coroutineScope {
    val client = AgentMeshClient.create(ClientOptions(Storage.memory(), StoreKey.random(), offline = true))
    slope(times) { number ->
        val waiting = launch(start = CoroutineStart.UNDISPATCHED) {
            if (number % 2 == 0) client.events().collect() else client.messages().collect()
        }
        if (number % 3 == 0) yield()
        waiting.cancelAndJoin()
    }.also { client.shutdown() }
}

fun main(arguments: Array<String>): Unit = runBlocking {
    val (what, times) = arguments
    val added = when (what) {
        "calls" -> calls(times.toInt())
        "cancelled" -> cancelled(times.toInt())
        else -> error("calls or cancelled")
    }
    // A leak of one object a time is 50 bytes and more.
    check(added < 48) { "memory grows" }
}
