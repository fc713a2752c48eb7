module rooms-gateway/benchmarks/speed/tools

go 1.24.0

require (
	golang.org/x/net v0.46.0
	golang.org/x/sys v0.38.0
)

require golang.org/x/text v0.30.0 // indirect
