#!/usr/bin/env node
import '../network/shim.js'
import { runProgram } from './program.js'

/** Ends the process once what was written to a pipe has left it. */
function exitWith(code: number): void {
  process.exitCode = code
  process.stdout.write('', () => process.stderr.write('', () => process.exit(code)))
}

// `hp-p2p ... | head` closes stdout early, which is no failure; what nobody reads of stderr is lost.
process.stderr.on('error', () => {})
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1))

exitWith(await runProgram(process.argv.slice(2)))
