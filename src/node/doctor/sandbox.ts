import type { DoctorCheck } from '../../admin/index.js'
import type { ProcessBound, SandboxFact } from '../../contract/index.js'
import { check } from './check.js'

export function examineSandbox({ mode, active, reason, version }: SandboxFact): DoctorCheck {
  if (active) return check('sandbox', 'ok', `bubblewrap ${version ?? ''}`.trim())
  if (mode === 'off') {
    const advice = 'set `sandbox` to auto, unless the contract is as trusted as the node'
    return check('sandbox', 'warning', 'it is off: the contract can read what the node can', advice)
  }
  const advice = 'install bubblewrap (bwrap) and allow user namespaces'
  return check('sandbox', mode === 'on' ? 'problem' : 'warning', `none: ${reason ?? 'it does not work here'}`, advice)
}

/** What holds a contract that starts processes faster than they are counted. */
export function examineProcessBound(bound: ProcessBound): DoctorCheck {
  if (bound === 'cgroup') return check('processes', 'ok', 'a control group bounds those of the contract')
  if (bound === 'rlimit') return check('processes', 'ok', 'RLIMIT_NPROC bounds those of the contract')
  const found = 'those of the contract are counted every 50 ms, and nothing else bounds them'
  const advice =
    process.getuid?.() === 0
      ? 'give the node a control group in which it may make others (systemd: Delegate=yes, DelegateSubgroup=node)'
      : 'install bubblewrap, or give the node a control group in which it may make others (systemd: Delegate=yes, DelegateSubgroup=node)'
  return check('processes', 'warning', found, advice)
}
