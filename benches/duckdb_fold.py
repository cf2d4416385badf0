"""What retally's fold computes, as far as one aggregation can, in DuckDB: the peer of `just bench`.

Attempts, outcomes and durations of agents, pipelines, cycles, tokens and cost by run, issue and
agent. Columns are stated, so that no schema has to be guessed.
"""

import sys
import time

import duckdb

COLUMNS = {
    "ts": "TIMESTAMP", "type": "VARCHAR", "issue": "VARCHAR", "agent": "VARCHAR", "span": "VARCHAR",
    "success": "BOOLEAN", "status": "VARCHAR", "model": "VARCHAR", "tool": "VARCHAR",
    "input_tokens": "BIGINT", "output_tokens": "BIGINT", "cache_read_tokens": "BIGINT",
    "cost_usd": "DECIMAL(18,9)", "duration_ms": "BIGINT", "resolved": "BOOLEAN",
    "files_modified": "BIGINT", "lines_added": "BIGINT", "lines_deleted": "BIGINT",
}

QUERY = """
SELECT filename, issue, agent,
    count(*) FILTER (type = 'agent.started') AS attempts,
    count(*) FILTER (type = 'agent.finished' AND success) AS successes,
    count(*) FILTER (type = 'agent.finished' AND NOT success) AS failures,
    sum(epoch_us(ts)) FILTER (type = 'agent.finished')
        - sum(epoch_us(ts)) FILTER (type = 'agent.started') AS duration_us,
    count(*) FILTER (type = 'pipeline.recorded' AND status = 'success') AS pipelines_passed,
    count(*) FILTER (type = 'pipeline.recorded' AND status = 'failed') AS pipelines_failed,
    count(*) FILTER (type = 'debug.started') AS cycles,
    count(*) FILTER (type = 'debug.attempted') AS retries,
    count(*) FILTER (type = 'debug.finished' AND resolved) AS resolved,
    count(*) FILTER (type = 'llm.called') AS llm_calls,
    count(*) FILTER (type = 'tool.called') AS tool_calls,
    count(*) FILTER (type = 'tool.called' AND NOT success) AS tool_failures,
    sum(input_tokens), sum(output_tokens), sum(cache_read_tokens), sum(cost_usd),
    sum(lines_added), sum(lines_deleted), min(ts), max(ts), any_value(status)
FROM read_json(?, format = 'newline_delimited', columns = ?, filename = true)
GROUP BY ALL
"""

start = time.perf_counter()
connection = duckdb.connect(config={"threads": 2})
rows = connection.execute(QUERY, [sys.argv[1] + "/*/events/*.jsonl", COLUMNS]).fetchall()
print(len(rows), sum(row[12] for row in rows), time.perf_counter() - start)
