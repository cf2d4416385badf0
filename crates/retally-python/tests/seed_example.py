# The usage example of the original tracker, word for word but for its import.
from retally import RunLogger, IssueTracker

# At system start
config = {
    'llm_provider': 'deepseek',
    'llm_model': 'deepseek-chat',
    'llm_temperature': 0.0,
    'mode': 'implement_all'
}

run_logger = RunLogger(project_id='168', config=config)

# When starting to process an issue
issue_tracker = IssueTracker(run_id=run_logger.run_id, issue_id=123)
run_logger.add_issue(issue_id=123)

# Track agent execution
issue_tracker.start_agent('coding')
# ... agent executes ...
issue_tracker.end_agent('coding', success=True)

# Track pipeline
issue_tracker.record_pipeline_attempt(
    pipeline_id='4259',
    status='failed',
    commit_sha='abc123'
)

# Track debugging cycle when pipeline fails
issue_tracker.start_debugging_cycle(
    agent='testing',
    error_type='test_failure',
    error_message='3 tests failed in UserServiceTest'
)
issue_tracker.record_debug_attempt()  # First fix attempt
issue_tracker.record_debug_attempt()  # Second fix attempt
issue_tracker.end_debugging_cycle(resolved=True)

# Another pipeline after fixes
issue_tracker.record_pipeline_attempt(
    pipeline_id='4260',
    status='success',
    commit_sha='def456'
)

# Finalize issue
issue_tracker.finalize_issue(status='completed')

# At system end
run_logger.finalize_run(status='completed')
