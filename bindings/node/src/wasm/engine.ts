// The engine in WebAssembly: what the module exports, with what its platform lends.

import type { Engine } from '../engine';
import { Key, variable } from '../key';
import type { Glue } from './agentmesh';
import { lend } from './platform';

/** The core asks its environment for the identity's name if nobody says it; here there is none but ours. */
function settled(settings: string): string {
  const said = JSON.parse(settings) as Record<string, unknown>;
  said['identity_key'] ??= variable('AGENT_IDENTITY_KEY');
  return JSON.stringify(said);
}

/** Of a module that is instantiated. */
export function engineOf(glue: Glue): Engine {
  glue.installHost(lend(glue));
  return {
    VERSION: glue.version(),
    Canceller: glue.Canceller,
    SealedStore: glue.SealedStore,
    PrekeyManager: glue.PrekeyManager,
    SessionManager: glue.SessionManager,
    KnockProtocol: glue.KnockProtocol,
    Storage: glue.Storage,
    Identity: glue.Identity,
    Backup: glue.Backup,
    async openAgent(storage, identity, backup, how, canceller) {
      const opening = new glue.AgentOpening(storage, how.mode, settled(how.settings));
      if (how.keyKind === 'variable') opening.key('bytes', Key.variable(how.key as string).sealing());
      else opening.key(how.keyKind, how.key);
      if (identity !== null) opening.identity(identity);
      if (backup !== null) opening.backup(backup);
      if (how.onKnock !== undefined) opening.onKnock(how.onKnock);
      return opening.open(canceller);
    },
    loadIdentity: glue.loadIdentity,
    loadOrGenerateIdentity: glue.loadOrGenerateIdentity,
    verifySignature: glue.verifySignature,
    safetyNumber: glue.safetyNumber,
    policyPreset: glue.policyPreset,
    normalizePolicy: glue.normalizePolicy,
    evaluatePolicy: glue.evaluatePolicy,
  };
}
