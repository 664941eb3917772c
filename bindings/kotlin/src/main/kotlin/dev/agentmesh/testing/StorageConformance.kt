package dev.agentmesh.testing

import dev.agentmesh.Durability
import dev.agentmesh.RecordStore
import dev.agentmesh.failure
import dev.agentmesh.internal.NativeFixture
import dev.agentmesh.internal.conformanceTests
import dev.agentmesh.internal.runConformanceTest
import dev.agentmesh.native
import dev.agentmesh.serve
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.async
import kotlinx.coroutines.coroutineScope

/**
 * The tests that every store of the library passes, for a [RecordStore] of your own.
 *
 * ```kotlin
 * for (test in StorageConformance.tests) assertNull(StorageConformance.run(test) { MyStore(directory) })
 * ```
 */
public object StorageConformance {
    /** The names of all tests. */
    public val tests: List<String> get() = native { conformanceTests() }

    /**
     * Runs a test: what the store did wrong, or `null`. [open] opens the store under test, again and again, always the same one, empty
     * when a test begins; it throws what the store throws. If [exclusive], opening it while it is open must fail as locked.
     */
    public suspend fun run(
        test: String,
        durability: Durability = Durability.SYNCED,
        exclusive: Boolean = false,
        open: suspend () -> RecordStore,
    ): String? = coroutineScope {
        val fixture = native { NativeFixture(durability.wireName, exclusive) }
        val opening = async(Dispatchers.IO) {
            while (true) {
                val request = native { fixture.next() } ?: break
                try {
                    val store = open()
                    request.opened()?.let { serve(store, it) }
                } catch (error: Exception) {
                    failure(error).let { (failure, message) -> request.fail(failure, message) }
                } finally {
                    request.destroy()
                }
            }
        }
        try {
            native { runConformanceTest(test, fixture) }
        } finally {
            opening.cancel()
            fixture.destroy()
        }
    }
}
