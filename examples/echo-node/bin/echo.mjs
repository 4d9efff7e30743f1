#!/usr/bin/env node
// Answers every user with the upper-case (ASCII letters) of what the user sent.
import { readFileSync, writeSync } from 'node:fs'

const { user: users } = JSON.parse(readFileSync(0, 'utf8'))
for (const [input, output] of Object.values(users)) {
  const bytes = readFileSync(input)
  for (let i = 0; i < bytes.length; i++) if (bytes[i] >= 97 && bytes[i] <= 122) bytes[i] -= 32
  for (let sent = 0; sent < bytes.length; ) sent += writeSync(output, bytes, sent)
}
