import type { ICompute, INode, ISize } from '../api/types';

/** A size that fits, changed as the test needs. */
export function makeSize(changes: Partial<ISize> = {}): ISize {
  return {
    name: 'STANDARD_DS1_V2',
    family: 'standardDSv2Family',
    cpus: 1,
    memory: 3.5 * 1024 ** 3,
    gpus: 0,
    price: 0.073,
    fits: true,
    ...changes
  };
}

/** An instance that is on, changed as the test needs. */
export function makeInstance(changes: Partial<ICompute> = {}): ICompute {
  return {
    name: 'ci-ada',
    kind: 'instance',
    state: 'Running',
    state_since: 1_000,
    description: '',
    tags: {},
    user: 'ada',
    created_at: 1_000,
    size: makeSize(),
    active_runs: [],
    queued_runs: 0,
    idle_seconds: 1800,
    last_used_at: 1_000,
    ...changes
  };
}

/** A cluster with no nodes, changed as the test needs. */
export function makeCluster(changes: Partial<ICompute> = {}): ICompute {
  return makeInstance({
    name: 'cpu-cluster',
    kind: 'cluster',
    created_at: 2_000,
    idle_seconds: 120,
    min_nodes: 0,
    max_nodes: 4,
    priority: 'dedicated',
    allocation_state: 'steady',
    current_nodes: 0,
    target_nodes: 0,
    ...changes
  });
}

/** A machine reached by SSH, changed as the test needs. */
export function makeAttached(changes: Partial<ICompute> = {}): ICompute {
  return makeInstance({
    name: 'gpu-box',
    kind: 'ssh',
    created_at: 3_000,
    size: null,
    idle_seconds: null,
    details: ['ssh ada@gpu.example', 'Python 3.12.1 (/usr/bin/python3): is used as it is'],
    ...changes
  });
}

export function makeNode(changes: Partial<INode> = {}): INode {
  return {
    node_id: 'tvm-1',
    state: 'idle',
    state_since: 1_000,
    run_id: null,
    created_at: 1_000,
    ip_address: '127.0.0.1',
    port: null,
    ...changes
  };
}
