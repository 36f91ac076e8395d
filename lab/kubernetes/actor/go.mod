module sockpit.dev/lab/actor

go 1.24.0
