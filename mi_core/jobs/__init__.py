"""Requests on their way to results: queue, worker, loaded models, caches."""
