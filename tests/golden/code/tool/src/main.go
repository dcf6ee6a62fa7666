// SPDX-License-Identifier: Apache-2.0 OR MIT
package main

func main() {
	println("hi")
}
