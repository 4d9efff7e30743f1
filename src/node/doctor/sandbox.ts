import type { DoctorCheck } from '../../admin/index.js'
import type { SandboxFact } from '../../contract/index.js'
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
