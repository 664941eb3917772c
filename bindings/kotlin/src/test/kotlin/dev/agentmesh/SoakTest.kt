package dev.agentmesh

import dev.agentmesh.soak.calls
import dev.agentmesh.soak.cancelled
import org.junit.jupiter.api.Test

/** The programs of `scripts/soak.sh kotlin`, for a moment: that they work. What they find needs a process of their own, and time. */
class SoakTest {
    @Test
    fun `calls are made`() = test { calls(400) }

    @Test
    fun `operations are cancelled`() = test { cancelled(400) }
}
