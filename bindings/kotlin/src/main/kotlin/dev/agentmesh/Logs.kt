package dev.agentmesh

import dev.agentmesh.internal.NativeLogLevel
import dev.agentmesh.internal.NativeLogs
import dev.agentmesh.internal.collectLogs
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.SupervisorJob
import kotlinx.coroutines.launch

/** How grave a record of the log is. */
public enum class LogLevel {
    /** Nothing. */
    OFF,

    /** Bugs. */
    ERROR,

    /** What was refused or did not work. */
    WARN,

    /** Changes of state. */
    INFO,

    /** Single steps. */
    DEBUG,

    /** Everything. */
    TRACE,
}

/** A line of the library's log. Holds no content and no keys. */
public class LogRecord internal constructor(
    /** How grave it is. */
    public val level: LogLevel,
    /** Which part of the library says it. */
    public val target: String,
    /** What it says, with its fields behind. */
    public val message: String,
    /** Records before this one that found the queue full, because the delegate was slow. */
    public val dropped: Long,
) {
    override fun toString(): String = "$level $target: $message"
}

/** Gets the library's log, one record after the other, never under a lock of the library. */
public fun interface LogDelegate {
    /** Takes a record. What it throws is ignored. */
    public fun log(record: LogRecord)
}

/** The library's own log. */
public object AgentMeshLog {
    private val scope = CoroutineScope(SupervisorJob() + Dispatchers.IO)
    private var logs: NativeLogs? = null
    @Volatile private var delegate: LogDelegate? = null

    /**
     * Sends the log to a delegate, in place of the one before; `null` for none. False if the process has another subscriber for what
     * Rust code logs.
     */
    @Synchronized
    public fun setDelegate(level: LogLevel, delegate: LogDelegate?): Boolean {
        this.delegate = delegate
        val wanted = NativeLogLevel.valueOf(if (delegate == null) "OFF" else level.name)
        logs?.let { known ->
            known.setLevel(wanted)
            return true
        }
        if (delegate == null) return true
        val made = native { collectLogs(wanted) } ?: return false
        logs = made
        scope.launch {
            while (true) {
                val record = native { made.next() }
                val read = LogRecord(LogLevel.valueOf(record.level.name), record.target, record.message, record.dropped.toLong())
                runCatching { this@AgentMeshLog.delegate?.log(read) }
            }
        }
        return true
    }
}
