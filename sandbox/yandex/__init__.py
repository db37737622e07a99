"""The pretend Yandex: an OAuth whose refresh tokens rotate, and a Disk that is stricter than the real one."""
