package dev.agentmesh

import dev.agentmesh.internal.NativeChange
import dev.agentmesh.internal.NativeRecord
import dev.agentmesh.internal.NativeRecordId
import dev.agentmesh.internal.NativeStorage
import dev.agentmesh.internal.NativeStorageCall
import dev.agentmesh.internal.NativeStorageCalls
import dev.agentmesh.internal.NativeStorageFailure
import dev.agentmesh.internal.NativeStorageOperation
import dev.agentmesh.internal.NativeStorageReply
import dev.agentmesh.internal.makeForeignStorage
import dev.agentmesh.internal.openDirectory
import dev.agentmesh.internal.openSqlite
import dev.agentmesh.internal.openStore
import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.SupervisorJob
import kotlinx.coroutines.launch
import kotlinx.coroutines.sync.Mutex
import kotlinx.coroutines.sync.withLock

/** Names a record. */
public data class RecordId(
    /** What the record is about, by name. */
    val kind: String,
    /** 16 bytes, in hexadecimal digits: sorts as the bytes do. */
    val key: String,
) {
    internal fun native() = NativeRecordId(kind, bytesOf(key))
}

/** A stored record. */
public class Record(
    /** Its name. */
    public val id: RecordId,
    /** 1 when first written, one more with every write. */
    public val version: Long,
    /** What it says, sealed. */
    public val sealed: ByteArray,
) {
    internal fun native() = NativeRecord(id.native(), version.toULong(), sealed)
}

/** One write of a batch. */
public class Change(
    /** The record that it writes. */
    public val id: RecordId,
    /** The version that it must be at; 0 says that it must be absent. Else the whole batch is a [StoreException.Conflict]. */
    public val expected: Long,
    /** The new sealed bytes; `null` deletes the record. */
    public val value: ByteArray?,
    /** The version that the value is stored as. */
    public val version: Long,
)

/** How well a store keeps what it said that it wrote. */
public enum class Durability(internal val wireName: String) {
    /** Others may not see it yet. Agents refuse such stores. */
    EVENTUALLY_CONSISTENT("eventually consistent"),

    /** Until the process ends. */
    VOLATILE("volatile"),

    /** If the process is killed, but not if the machine is. */
    PROCESS("process"),

    /** On disk. */
    SYNCED("synced"),
}

/** What a store throws. Anything else that it throws leaves unknown whether a batch was written. */
public sealed class StoreException(message: String) : Exception(message) {
    /** A record is at version [actual], 0 if it is absent. Nothing was written. */
    public class Conflict(
        /** The record. */
        public val id: RecordId,
        /** What was expected. */
        public val expected: Long,
        /** What it is at. */
        public val actual: Long,
    ) : StoreException("conflict")

    /** The store was closed. */
    public class Closed : StoreException("closed")

    /** No space is left. Nothing was written. */
    public class Full : StoreException("full")

    /** Somebody else has it open. */
    public class Locked : StoreException("locked")

    /** The service behind it cannot be reached. Nothing was written. */
    public class Unreachable(message: String) : StoreException(message)

    /** What is stored is damaged. */
    public class Corrupt(message: String) : StoreException(message)
}

/**
 * A store of your own. All it keeps is sealed. Functions are called from a pool of threads that may block, several at a time, and
 * never under a lock of the library; what they throw is a [StoreException]. [dev.agentmesh.testing.StorageConformance] checks an implementation.
 */
public interface RecordStore {
    /** Where it is, for people. */
    public val location: String

    /** How well it keeps what it wrote. */
    public val durability: Durability get() = Durability.SYNCED

    /** The records with these ids, in their order; `null` for those that are absent. */
    public suspend fun load(ids: List<RecordId>): List<Record?>

    /** At most [limit] records of a kind by ascending key, from the first key greater than [after]. */
    public suspend fun list(kind: String, after: String?, limit: Int): List<Record>

    /** Writes the whole batch or nothing of it. */
    public suspend fun commit(changes: List<Change>)

    /** Finishes what is under way and releases what it holds. Called again, it does nothing. */
    public suspend fun close()
}

/** Where an agent's state is kept. Opened when it is first used; an agent closes its own. */
public class Storage private constructor(private val open: suspend () -> NativeStorage) {
    private val mutex = Mutex()
    @Volatile private var native: NativeStorage? = null

    internal suspend fun opened(): NativeStorage = native ?: mutex.withLock { native ?: open().also { native = it } }

    /** Which storage this is, for people. */
    public suspend fun location(): String = opened().let { native { it.location() } }

    /** The records with these ids, as they are stored: sealed. For tests and tools. */
    public suspend fun load(ids: List<RecordId>): List<Record?> =
        opened().let { native { it.load(ids.map(RecordId::native)) } }.map { it?.let(::read) }

    /** At most [limit] records of a kind by ascending key, from the first key greater than [after]. */
    public suspend fun list(kind: String, after: String? = null, limit: Int = Int.MAX_VALUE): List<Record> =
        opened().let { native { it.list(kind, after?.let(::bytesOf), limit.toUInt()) } }.map(::read)

    /** Writes the whole batch or nothing of it. */
    public suspend fun commit(changes: List<Change>) {
        val written = changes.map { NativeChange(it.id.native(), it.expected.toULong(), it.value, it.version.toULong()) }
        opened().let { native { it.commit(written) } }
    }

    /** Releases files and locks. Agents close their storage themselves. Again is fine. */
    public suspend fun close() {
        native?.let { native { it.shutDown() } }
    }

    public companion object {
        /** Nothing survives the process. */
        public fun memory(): Storage = Storage { NativeStorage.memory() }

        /** One SQLite file. */
        public fun sqlite(path: String): Storage = Storage { native { openSqlite(path) } }

        /** One directory, one file a record. */
        public fun directory(path: String): Storage = Storage { native { openDirectory(path) } }

        /** The storage that a URL names: `sqlite:PATH`, `file:DIR`, `s3://BUCKET/PREFIX`. */
        public fun url(url: String): Storage = Storage { native { openStore(url) } }

        /** A store of your own. */
        public fun of(store: RecordStore): Storage = Storage {
            val made = native { makeForeignStorage(store.location, store.durability.wireName) }
            serve(store, made.calls)
            made.storage
        }
    }
}

/** Calls of a store end with the store itself: it is the library that ends the queue. */
private val stores = CoroutineScope(SupervisorJob() + Dispatchers.IO)

/** Answers the calls of a store until nobody uses it any more. */
internal fun serve(store: RecordStore, calls: NativeStorageCalls) {
    stores.launch {
        try {
            while (true) {
                val call = native { calls.next() } ?: break
                launch { answer(store, call) }
            }
        } finally {
            calls.destroy()
        }
    }
}

private suspend fun answer(store: RecordStore, call: NativeStorageCall) {
    val reply = call.reply
    try {
        when (val asked = call.operation) {
            is NativeStorageOperation.Load -> reply.records(store.load(asked.ids.map(::idOf)).map { it?.native() })
            is NativeStorageOperation.Page -> {
                val limit = asked.limit.toLong().coerceAtMost(Int.MAX_VALUE.toLong()).toInt()
                reply.records(store.list(asked.kind, asked.after?.let(::hex), limit).map(Record::native))
            }
            is NativeStorageOperation.Commit -> {
                store.commit(asked.changes.map { Change(idOf(it.id), it.expected.toLong(), it.value, it.version.toLong()) })
                reply.done()
            }
            is NativeStorageOperation.Close -> {
                store.close()
                reply.done()
            }
        }
    } catch (cancelled: CancellationException) {
        throw cancelled
    } catch (error: Throwable) {
        reply.refuse(error)
    } finally {
        // Unanswered, the call fails.
        reply.destroy()
    }
}

private fun NativeStorageReply.refuse(error: Throwable) {
    if (error is StoreException.Conflict) conflict(error.id.native(), error.expected.toULong(), error.actual.toULong())
    else failure(error).let { (failure, message) -> fail(failure, message) }
}

internal fun failure(error: Throwable): Pair<NativeStorageFailure, String> = when (error) {
    is StoreException.Closed -> NativeStorageFailure.CLOSED
    is StoreException.Full -> NativeStorageFailure.FULL
    is StoreException.Locked -> NativeStorageFailure.LOCKED
    is StoreException.Unreachable -> NativeStorageFailure.UNREACHABLE
    is StoreException.Corrupt -> NativeStorageFailure.CORRUPT
    else -> NativeStorageFailure.FAILED
} to (if (error is StoreException) error.message.orEmpty() else error.toString())

private fun read(record: NativeRecord) = Record(idOf(record.id), record.version.toLong(), record.sealed)

private fun idOf(id: NativeRecordId) = RecordId(id.kind, hex(id.key))

private const val DIGITS = "0123456789abcdef"

internal fun hex(bytes: ByteArray): String = buildString(bytes.size * 2) {
    for (byte in bytes) append(DIGITS[(byte.toInt() shr 4) and 15]).append(DIGITS[byte.toInt() and 15])
}

internal fun bytesOf(hex: String): ByteArray {
    if (hex.length % 2 != 0 || hex.any { it !in DIGITS }) throw AgentMeshException.argument("the key of a record is 32 hexadecimal digits")
    return ByteArray(hex.length / 2) { ((DIGITS.indexOf(hex[it * 2]) shl 4) or DIGITS.indexOf(hex[it * 2 + 1])).toByte() }
}
