# Scripts go on routers without the lines that are nothing but comment: 3 KB of the package (docs/sizes.md).
1{/^#!/b
}
/^[[:space:]]*#/d
