package dev.agentmesh

import dev.agentmesh.internal.NativeBackup
import dev.agentmesh.internal.NativeIdentity
import dev.agentmesh.internal.NativeSealedStore
import dev.agentmesh.internal.loadIdentity
import dev.agentmesh.internal.openBackup
import dev.agentmesh.internal.restoreIdentity
import dev.agentmesh.internal.verifySignature
import java.time.Instant

/** Seals what is stored. */
public sealed class StoreKey {
    /** Nobody said; opening an agent fails. */
    public object Missing : StoreKey()

    internal class Bytes(val bytes: ByteArray) : StoreKey()

    internal class File(val path: String) : StoreKey()

    internal class Variable(val name: String) : StoreKey()

    internal class Passphrase(val passphrase: String) : StoreKey()

    /** Shows nothing. */
    override fun toString(): String = "StoreKey"

    public companion object {
        /** 32 bytes. On Android: keep them wrapped by a key of the Keystore. */
        public fun bytes(bytes: ByteArray): StoreKey = Bytes(bytes.copyOf())

        /** A random key, for agents that nothing survives. */
        public fun random(): StoreKey = Bytes(ByteArray(32).also { java.security.SecureRandom().nextBytes(it) })

        /** A file, made together with a new identity. */
        public fun file(path: String): StoreKey = File(path)

        /** An environment variable. */
        public fun variable(name: String): StoreKey = Variable(name)

        /** A passphrase that locks a key in the store. */
        public fun passphrase(passphrase: String): StoreKey = Passphrase(passphrase)
    }
}

/** A timestamp for servers of `agentmesh/0.2`, and the base64 of its signature. */
public class SignedTimestamp internal constructor(
    /** The timestamp. */
    public val timestamp: String,
    /** The base64 of its signature. */
    public val signature: String,
)

/** An agent's private identity. Its keys leave the library only sealed, or when [exposePrivateKeys] is called. */
public class Identity internal constructor(internal val native: NativeIdentity) {
    /** The address. */
    public val amid: String = native { native.amid() }

    /** The DID. */
    public val did: String get() = native { native.did() }

    /** The public signing key, 32 bytes. */
    public val signingKey: ByteArray get() = native { native.signingKey() }

    /** The public exchange key, 32 bytes. */
    public val exchangeKey: ByteArray get() = native { native.exchangeKey() }

    /** When the identity was made. */
    public val createdAt: Instant get() = Instant.ofEpochMilli(native { native.createdAt() }.toLong())

    /** Six groups of five digits to read aloud. */
    public val fingerprint: String get() = native { native.fingerprint() }

    /** Seals the identity under a passphrase. Takes a tenth of a second. */
    public suspend fun backUp(passphrase: String): String = native { native.backUp(passphrase) }

    /** Writes the identity under a path; `IDENTITY_EXISTS` if another one is there. */
    public suspend fun save(store: SealedStore, path: String): Unit = native { native.save(store.native, path) }

    /** Signs bytes of your choosing; `IDENTITY_RESERVED_INPUT` for bytes that the protocol signs. */
    public fun sign(message: ByteArray): ByteArray = native { native.sign(message) }

    /** A timestamp for servers of `agentmesh/0.2`. */
    public fun signTimestamp(): SignedTimestamp =
        native { native.signTimestamp() }.let { SignedTimestamp(it.timestamp, it.signature) }

    /** The JSON file of `agentmesh/0.2`, **with the private keys in the clear**. */
    public fun exposePrivateKeys(): String = native { native.toJson() }

    override fun toString(): String = "Identity($amid)"

    public companion object {
        /** A fresh identity. */
        public fun generate(): Identity = Identity(native { NativeIdentity.generate() })

        /** Reads the JSON file of `agentmesh/0.2`. */
        public fun fromJson(text: String): Identity = Identity(native { NativeIdentity.fromJson(text) })

        /** Opens a backup for the identity alone. Takes a tenth of a second. */
        public suspend fun restore(backup: String, passphrase: String): Identity =
            Identity(native { restoreIdentity(backup, passphrase) })

        /** The identity that was saved under a path. */
        public suspend fun load(store: SealedStore, path: String): Identity =
            Identity(native { loadIdentity(store.native, path, false) })

        /** Loads the identity at a path; makes one and saves it only if nothing is there. */
        public suspend fun loadOrGenerate(store: SealedStore, path: String): Identity =
            Identity(native { loadIdentity(store.native, path, true) })

        /** Whether a signature over a message is that of a key. */
        public fun verify(signingKey: ByteArray, message: ByteArray, signature: ByteArray): Boolean =
            native { verifySignature(signingKey, message, signature) }

        /** The safety number of two signing keys: the same whoever computes it. */
        public fun safetyNumber(one: ByteArray, other: ByteArray): String =
            native { dev.agentmesh.internal.safetyNumber(one, other) }
    }
}

/** A backup that was opened, for one new store. */
public class Backup internal constructor(internal val native: NativeBackup) {
    /** Whose backup it is. */
    public val amid: String = native { native.amid() }

    override fun toString(): String = "Backup($amid)"

    public companion object {
        /** Opens a backup. Takes a tenth of a second. `BACKUP_WRONG_PASSPHRASE` if it does not open. */
        public suspend fun open(backup: String, passphrase: String): Backup = Backup(native { openBackup(backup, passphrase) })
    }
}

/** A storage and the key that seals what goes into it: what identities are saved in and managers work on. */
public class SealedStore private constructor(internal val native: NativeSealedStore) {
    public companion object {
        /** Joins the two; the key has 32 bytes. */
        public suspend fun of(storage: Storage, key: ByteArray): SealedStore {
            val opened = storage.opened()
            return SealedStore(native { NativeSealedStore(opened, key) })
        }
    }
}
