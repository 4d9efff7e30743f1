#!/usr/bin/env node
// The thread pool of libuv reads its size when it starts, which is when the first ES module is loaded: too late for
// anything that an ES module sets. Writes to disk, each with a sync, would queue behind each other in four threads.
process.env.UV_THREADPOOL_SIZE ??= '16'
void import('./main.js')
