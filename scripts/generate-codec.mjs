// Generates src/codec/pb/*.ts from protocols/*.proto. The result is committed, so that a build needs no protobuf tool.
import { execFileSync } from 'node:child_process'
import { readdirSync } from 'node:fs'

const out = 'src/codec/pb'
for (const name of readdirSync('protocols').filter((file) => file.endsWith('.proto'))) {
  execFileSync('npx', ['protons', '--output', out, `protocols/${name}`], { stdio: 'inherit' })
}
